// The contents of files, beside the image that is being made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "krata/image/tree.h"

namespace krata::image {

// A file without a name, in the folder given; it is gone with this, however this ends. Zeros take no room. Move-only;
// not thread-safe. Blocks on the disk. Errors: system, limit (limits::kImageBytes).
class Spool {
 public:
  static common::Result<Spool> create(const std::string& folder);

  // The next file, of `size_bytes`, of which what put() does not write is zero.
  common::Result<Content> begin(std::uint64_t size_bytes);
  common::Result<void> put(std::uint64_t offset, std::string_view piece);
  // After the last file, before the first read().
  common::Result<void> end();

  // `bytes` of a content; they must lie in it.
  common::Result<void> read(const Content& content, std::uint64_t offset, char* room, std::size_t bytes) const;
  // Whether some of a content's bytes are known to be zeros without reading them, on those file systems that tell.
  [[nodiscard]] bool has_hole(const Content& content) const;
  // Where in a content the first byte from `offset` on stands that may be another than zero, without reading any; its
  // end where there is none.
  [[nodiscard]] std::uint64_t data_from(const Content& content, std::uint64_t offset) const;

 private:
  explicit Spool(common::Fd fd) : fd_(std::move(fd)) {}
  common::Result<void> flush();

  common::Fd fd_;
  Content current_{};
  std::uint64_t end_ = 0;  // of the last file
  std::string pending_;    // not written yet
  std::uint64_t pending_at_ = 0;
};

// A file without a name in `folder`, readable and writable by its owner.
common::Result<common::Fd> unnamed_file(const std::string& folder);

}  // namespace krata::image
