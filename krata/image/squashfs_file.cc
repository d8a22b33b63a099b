#include "krata/image/squashfs_file.h"

#include <sqfs/error.h>
#include <sqfs/io.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace krata::image {

namespace {

// The library's part comes first: what it hands back is this.
struct Whole {
  sqfs_file_t base{};
  int fd = -1;
  std::uint64_t size = 0;
  int why = 0;
};

Whole& file_of(sqfs_file_t* base) { return *reinterpret_cast<Whole*>(base); }

int read_at(sqfs_file_t* base, sqfs_u64 offset, void* room, std::size_t bytes) {
  auto* to = static_cast<char*>(room);
  while (bytes > 0) {
    const ssize_t got = ::pread(file_of(base).fd, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      file_of(base).why = got < 0 ? errno : EIO;
      return got < 0 ? SQFS_ERROR_IO : SQFS_ERROR_OUT_OF_BOUNDS;
    }
    to += got;
    bytes -= static_cast<std::size_t>(got);
    offset += static_cast<sqfs_u64>(got);
  }
  return 0;
}

int write_at(sqfs_file_t* base, sqfs_u64 offset, const void* bytes, std::size_t size) {
  const auto* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t put = ::pwrite(file_of(base).fd, from, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      file_of(base).why = errno;
      return SQFS_ERROR_IO;
    }
    from += put;
    size -= static_cast<std::size_t>(put);
    offset += static_cast<sqfs_u64>(put);
  }
  file_of(base).size = std::max<std::uint64_t>(file_of(base).size, offset);
  return 0;
}

sqfs_u64 get_size(const sqfs_file_t* base) { return reinterpret_cast<const Whole*>(base)->size; }

int truncate(sqfs_file_t* base, sqfs_u64 size) {
  if (::ftruncate(file_of(base).fd, static_cast<off_t>(size)) != 0) {
    file_of(base).why = errno;
    return SQFS_ERROR_IO;
  }
  file_of(base).size = size;
  return 0;
}

}  // namespace

struct SquashfsFile::File : Whole {};

void SquashfsFile::Closer::operator()(File* file) const { delete file; }

SquashfsFile::SquashfsFile(int fd) : file_(new File()) {
  file_->base.read_at = read_at;
  file_->base.write_at = write_at;
  file_->base.get_size = get_size;
  file_->base.truncate = truncate;
  file_->fd = fd;
}

sqfs_file_t* SquashfsFile::get() const { return &file_->base; }

std::uint64_t SquashfsFile::size_bytes() const { return file_->size; }

int SquashfsFile::sys_errno() const { return file_->why; }

}  // namespace krata::image
