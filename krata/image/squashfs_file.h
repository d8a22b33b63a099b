// A file as libsquashfs sees it.
#pragma once

#include <cstdint>
#include <memory>

struct sqfs_file_t;  // NOLINT(readability-identifier-naming): libsquashfs's

namespace krata::image {

// Borrows the descriptor. Why a call failed is kept: the library only says that it did. Not thread-safe, as the library
// asks for it under a lock of its own.
class SquashfsFile {
 public:
  explicit SquashfsFile(int fd);

  [[nodiscard]] sqfs_file_t* get() const;
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] int sys_errno() const;  // of the last failure; 0: none

 private:
  struct File;
  struct Closer {
    void operator()(File* file) const;
  };
  std::unique_ptr<File, Closer> file_;
};

}  // namespace krata::image
