// A layer on its way from the disk to its archive's reader, watched on both sides of the decompressor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/result.h"
#include "krata/image/blob.h"
#include "krata/image/byte_source.h"
#include "krata/image/content_digest.h"
#include "krata/image/manifest.h"

namespace krata::image {

// The uncompressed bytes of a layer. Nothing that was read from it may be used before finish() has said that they are
// what the manifest and the configuration promise. Errors: invalid_input, limit (more than limits.h lets a layer of its
// weight unpack to).
class LayerStream : public ByteSource {
 public:
  // Without `diff_id` only the outside is verified.
  LayerStream(Blob blob, const Descriptor& descriptor, std::optional<ContentDigest> diff_id);
  ~LayerStream() override;

  common::Result<std::size_t> read(std::span<char> room) override;
  // Reads what is left, and compares size and digests.
  common::Result<void> finish();
  [[nodiscard]] std::uint64_t unpacked_bytes() const { return unpacked_bytes_; }

 private:
  class Outside;

  Descriptor descriptor_;
  std::optional<ContentDigest> diff_id_;
  Blob blob_;
  std::unique_ptr<Outside> outside_;
  std::unique_ptr<ByteSource> inside_;
  ContentHasher inner_;
  std::uint64_t unpacked_bytes_ = 0;
};

}  // namespace krata::image
