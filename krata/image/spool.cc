#include "krata/image/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/file.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kPendingBytes = std::size_t{1} << 20U;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAligned = std::uint64_t{64} << 10U;  // from this size on a file begins on a page

// Each byte is the one before it, by the library's quickest way to compare.
bool is_zero(std::string_view bytes) {
  return bytes.empty() || (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<Fd> unnamed_file(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) {
    return fd;
  }
  if (errno != EOPNOTSUPP && errno != EISDIR) {
    return Error::from_errno(errno, fmt::format("make a file in {}", folder));
  }
  // Some file systems cannot make one without a name.
  std::string path = folder + "/.krata-XXXXXX";
  fd.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("make a file in {}", folder));
  }
  ::unlink(path.c_str());
  return fd;
}

Result<Spool> Spool::create(const std::string& folder) {
  KRAIT_TRY(auto fd, unnamed_file(folder));
  return Spool(std::move(fd));
}

Result<Content> Spool::begin(std::uint64_t size_bytes) {
  if (size_bytes > limits::kImageBytes || end_ > limits::kImageBytes - size_bytes) {
    return Error(ErrorCode::limit, fmt::format("the image's files are larger than {} bytes", limits::kImageBytes));
  }
  if (size_bytes >= kAligned) {
    end_ = (end_ + kPage - 1) / kPage * kPage;
  }
  current_ = {.offset = end_, .size_bytes = size_bytes};
  end_ += size_bytes;
  return current_;
}

Result<void> Spool::put(std::uint64_t offset, std::string_view piece) {
  if (offset > current_.size_bytes || piece.size() > current_.size_bytes - offset) {
    return refused("a file has more bytes than it is said to have");
  }
  std::uint64_t at = current_.offset + offset;
  while (!piece.empty()) {
    const auto part = std::min<std::size_t>(piece.size(), kPage - at % kPage);
    if (!is_zero(piece.substr(0, part))) {
      if (pending_at_ + pending_.size() != at || pending_.size() >= kPendingBytes) {
        KRAIT_CHECK(flush());
        pending_at_ = at;
      }
      pending_.append(piece.substr(0, part));
    }
    piece.remove_prefix(part);
    at += part;
  }
  return {};
}

Result<void> Spool::flush() {
  auto written = common::write_all_at(fd_.get(), pending_at_, pending_, "the image's files beside it");
  pending_.clear();
  return written;
}

Result<void> Spool::end() {
  KRAIT_CHECK(flush());
  if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) {
    return Error::from_errno(errno, "write the image's files beside it");
  }
  return {};
}

bool Spool::has_hole(const Content& content) const {
  const off_t hole = ::lseek(fd_.get(), static_cast<off_t>(content.offset), SEEK_HOLE);
  return hole >= 0 && hole < static_cast<off_t>(content.offset + content.size_bytes);
}

std::uint64_t Spool::data_from(const Content& content, std::uint64_t offset) const {
  const off_t data = ::lseek(fd_.get(), static_cast<off_t>(content.offset + offset), SEEK_DATA);
  if (data < 0) {
    return errno == ENXIO ? content.size_bytes : offset;
  }
  return std::min(static_cast<std::uint64_t>(data) - content.offset, content.size_bytes);
}

Result<void> Spool::read(const Content& content, std::uint64_t offset, char* room, std::size_t bytes) const {
  std::uint64_t at = content.offset + offset;
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_.get(), room, bytes, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return Error::from_errno(got < 0 ? errno : EIO, "read the image's files back");
    }
    room += got;
    bytes -= static_cast<std::size_t>(got);
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

}  // namespace krata::image
