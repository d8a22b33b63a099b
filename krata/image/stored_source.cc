#include "krata/image/stored_source.h"

#include <utility>

#include "krata/image/text.h"

namespace krata::image {

using common::Result;

Result<Blob> StoredSource::open(const Descriptor& descriptor) {
  KRAIT_TRY(auto blob, keeper_.find(descriptor));
  return blob ? Result<Blob>(*std::move(blob))
              : refused("the store lacks {}; pull the image again", descriptor.digest.short_text());
}

Result<std::string> StoredSource::document(const Descriptor& descriptor) {
  KRAIT_TRY(const auto blob, open(descriptor));
  return read_document(blob, descriptor.digest, descriptor.size_bytes);
}

Result<std::vector<Blob>> StoredSource::layers(std::span<const Descriptor> descriptors, Progress& /*progress*/) {
  std::vector<Blob> blobs;
  for (const Descriptor& descriptor : descriptors) {
    KRAIT_TRY(auto blob, open(descriptor));
    blobs.push_back(std::move(blob));
  }
  return blobs;
}

}  // namespace krata::image
