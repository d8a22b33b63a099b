#include "krata/image/layer_stream.h"

#include <utility>
#include <vector>

#include "krata/image/decompress.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

// The bytes as they lie on the disk.
class LayerStream::Outside : public ByteSource {
 public:
  Outside(const Blob& blob, DigestAlgorithm algorithm) : source_(blob), hasher_(algorithm) {}

  Result<std::size_t> read(std::span<char> room) override {
    auto got = source_.read(room);
    if (got) {
      hasher_.add({room.data(), *got});
    }
    return got;
  }
  [[nodiscard]] ContentDigest digest() const { return hasher_.digest(); }

 private:
  BlobSource source_;
  ContentHasher hasher_;
};

LayerStream::LayerStream(Blob blob, const Descriptor& descriptor, std::optional<ContentDigest> diff_id)
    : descriptor_(descriptor),
      diff_id_(std::move(diff_id)),
      blob_(std::move(blob)),
      outside_(std::make_unique<Outside>(blob_, descriptor.digest.algorithm)),
      inside_(decompressed(*outside_)),
      inner_(diff_id_ ? diff_id_->algorithm : DigestAlgorithm::sha256) {}

LayerStream::~LayerStream() = default;

Result<std::size_t> LayerStream::read(std::span<char> room) {
  KRAIT_TRY(auto got, inside_->read(room));
  unpacked_bytes_ += got;
  const std::uint64_t most = limits::kBombFreeBytes + limits::kBombRatio * blob_.size_bytes;
  if (unpacked_bytes_ > most) {
    return Error(ErrorCode::limit, fmt::format("a layer of {} bytes unpacks to more than {}", blob_.size_bytes, most));
  }
  inner_.add({room.data(), got});
  return got;
}

Result<void> LayerStream::finish() {
  if (blob_.size_bytes != descriptor_.size_bytes) {
    return refused("the layer has {} bytes, not the {} that the manifest says", blob_.size_bytes,
                   descriptor_.size_bytes);
  }
  std::vector<char> room(std::size_t{128} << 10U);
  for (;;) {
    KRAIT_TRY(const auto got, read(room));
    if (got == 0) {
      break;
    }
  }
  // The decompressor may have ended before the bytes did.
  for (;;) {
    KRAIT_TRY(const auto got, outside_->read(room));
    if (got == 0) {
      break;
    }
  }
  if (const ContentDigest found = outside_->digest(); found != descriptor_.digest) {
    return refused("the layer that is said to be {} is {}", descriptor_.digest.text(), found.text());
  }
  if (diff_id_ && inner_.digest() != *diff_id_) {
    return refused("the layer unpacks to {}, not to the diff_id {} of the configuration", inner_.digest().text(),
                   diff_id_->text());
  }
  return {};
}

}  // namespace krata::image
