// Content as it lies on a disk.
#pragma once

#include <cstdint>
#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "krata/image/byte_source.h"
#include "krata/image/content_digest.h"

namespace krata::image {

// `size_bytes` bytes from `offset` on of an open file, which this owns.
struct Blob {
  common::Fd fd;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

// A blob's bytes in order. Borrows the blob. Blocks on the disk. Errors: system; invalid_input when the file is
// shorter.
class BlobSource : public ByteSource {
 public:
  explicit BlobSource(const Blob& blob) : blob_(blob) {}
  common::Result<std::size_t> read(std::span<char> room) override;

 private:
  const Blob& blob_;
  std::uint64_t at_ = 0;
};

// A regular file at `path`, whole; symbolic links are followed. `what` names it in errors. Errors: invalid_input (it is
// not there, or is something else), permission.
common::Result<Blob> open_blob(const std::string& path, const std::string& what);

// All of a blob, whose digest and size must be these. Errors: invalid_input, limit (more than limits::kDocumentBytes),
// system.
common::Result<std::string> read_document(const Blob& blob, const ContentDigest& digest, std::uint64_t size_bytes);

}  // namespace krata::image
