#include "krata/block/file_medium.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "krata/block/blkif.h"

namespace krata::block {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

// As the kernel takes them.
struct List {
  std::array<iovec, kMaxCopies> pieces{};
  int count = 0;
};

std::size_t bytes_of(Pieces pieces) {
  std::size_t bytes = 0;
  for (const auto& piece : pieces) {
    bytes += piece.size();
  }
  return bytes;
}

// What is behind the first `done` bytes.
List behind(Pieces pieces, std::size_t done) {
  List list;
  for (const auto& piece : pieces) {
    const auto rest = piece.subspan(std::min(done, piece.size()));
    done -= piece.size() - rest.size();
    if (!rest.empty()) {
      list.pieces.at(static_cast<std::size_t>(list.count++)) = {.iov_base = rest.data(), .iov_len = rest.size()};
    }
  }
  return list;
}

void clear(const List& list) {
  for (const iovec& piece : std::span(list.pieces).first(static_cast<std::size_t>(list.count))) {
    std::memset(piece.iov_base, 0, piece.iov_len);
  }
}

off_t offset_of(std::uint64_t sector, std::size_t done) { return static_cast<off_t>(sector * kSectorBytes + done); }

class FileMedium : public Medium {
 public:
  FileMedium(Fd file, std::uint64_t bytes, bool read_only)
      : file_(std::move(file)), sectors_((bytes + kSectorBytes - 1) / kSectorBytes), read_only_(read_only) {}

  [[nodiscard]] std::uint64_t sectors() const override { return sectors_; }
  [[nodiscard]] bool read_only() const override { return read_only_; }

  bool read(std::uint64_t sector, Pieces into) override {
    const std::size_t whole = bytes_of(into);
    for (std::size_t done = 0; done < whole;) {
      const List list = behind(into, done);
      const ssize_t got = ::preadv(file_.get(), list.pieces.data(), list.count, offset_of(sector, done));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return false;
      }
      if (got == 0) {
        // Within the last sector the file may end. Elsewhere it has become shorter than it was.
        clear(list);
        return whole - done < kSectorBytes;
      }
      done += static_cast<std::size_t>(got);
    }
    return true;
  }

  bool write(std::uint64_t sector, Pieces from) override {
    const std::size_t whole = bytes_of(from);
    for (std::size_t done = 0; done < whole;) {
      const List list = behind(from, done);
      const ssize_t wrote = ::pwritev(file_.get(), list.pieces.data(), list.count, offset_of(sector, done));
      if (wrote < 0 && errno == EINTR) {
        continue;
      }
      if (wrote <= 0) {
        return false;
      }
      done += static_cast<std::size_t>(wrote);
    }
    return true;
  }

  bool flush() override { return read_only_ || ::fdatasync(file_.get()) == 0; }

  // A wish: where the file system cannot, nothing is lost.
  bool discard(std::uint64_t sector, std::uint64_t sectors) override {
    return ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(sector * kSectorBytes), static_cast<off_t>(sectors * kSectorBytes)) == 0 ||
           errno == EOPNOTSUPP;
  }

 private:
  Fd file_;
  std::uint64_t sectors_;
  bool read_only_;
};

}  // namespace

Result<std::unique_ptr<Medium>> file_medium(Fd file, bool read_only, const std::string& name) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return Error::from_errno(errno, fmt::format("look at the disk {}", name));
  }
  std::uint64_t bytes = static_cast<std::uint64_t>(status.st_size);
  if (S_ISBLK(status.st_mode) && ::ioctl(file.get(), BLKGETSIZE64, &bytes) != 0) {
    return Error::from_errno(errno, fmt::format("read the size of the disk {}", name));
  }
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is neither a file nor a block device: no disk", name));
  }
  if (bytes == 0) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is empty: no disk", name));
  }
  return std::unique_ptr<Medium>(std::make_unique<FileMedium>(std::move(file), bytes, read_only));
}

}  // namespace krata::block
