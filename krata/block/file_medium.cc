#include "krata/block/file_medium.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "krata/block/blkif.h"

namespace krata::block {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

class FileMedium : public Medium {
 public:
  FileMedium(Fd file, std::uint64_t bytes, bool read_only)
      : file_(std::move(file)), sectors_((bytes + kSectorBytes - 1) / kSectorBytes), read_only_(read_only) {}

  [[nodiscard]] std::uint64_t sectors() const override { return sectors_; }
  [[nodiscard]] bool read_only() const override { return read_only_; }

  bool read(std::uint64_t sector, std::span<std::byte> into) override {
    std::uint64_t at = sector * kSectorBytes;
    while (!into.empty()) {
      const ssize_t got = ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return false;
      }
      if (got == 0) {
        // Within the last sector the file may end. Elsewhere it has become shorter than it was.
        std::ranges::fill(into, std::byte{0});
        return into.size() < kSectorBytes;
      }
      at += static_cast<std::uint64_t>(got);
      into = into.subspan(static_cast<std::size_t>(got));
    }
    return true;
  }

  bool write(std::uint64_t sector, std::span<const std::byte> from) override {
    std::uint64_t at = sector * kSectorBytes;
    while (!from.empty()) {
      const ssize_t wrote = ::pwrite(file_.get(), from.data(), from.size(), static_cast<off_t>(at));
      if (wrote < 0 && errno == EINTR) {
        continue;
      }
      if (wrote <= 0) {
        return false;
      }
      at += static_cast<std::uint64_t>(wrote);
      from = from.subspan(static_cast<std::size_t>(wrote));
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
