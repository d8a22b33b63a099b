#include "krata/image/blob.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

Result<std::size_t> BlobSource::read(std::span<char> room) {
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), blob_.size_bytes - at_));
  if (most == 0) {
    return 0;
  }
  for (;;) {
    const ssize_t got = ::pread(blob_.fd.get(), room.data(), most, static_cast<off_t>(blob_.offset + at_));
    if (got > 0) {
      at_ += static_cast<std::size_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (got == 0) {
      return refused("a file became shorter while it was read");
    }
    if (errno != EINTR) {
      return Error::from_errno(errno, "read");
    }
  }
}

Result<Blob> open_blob(const std::string& path, const std::string& what) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    const Error error = Error::from_errno(errno, fmt::format("open {}", printable(path)));
    return errno == ENOENT || errno == ENOTDIR ? refused("{} is not there ({})", what, printable(path)) : error;
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(errno, fmt::format("stat {}", printable(path)));
  }
  if (!S_ISREG(status.st_mode)) {
    return refused("{} is no regular file ({})", what, printable(path));
  }
  return Blob{.fd = std::move(fd), .offset = 0, .size_bytes = static_cast<std::uint64_t>(status.st_size)};
}

Result<std::string> read_document(const Blob& blob, const ContentDigest& digest, std::uint64_t size_bytes) {
  if (size_bytes > limits::kDocumentBytes) {
    return Error(ErrorCode::limit,
                 fmt::format("{} has {} bytes, more than {}", digest.short_text(), size_bytes, limits::kDocumentBytes));
  }
  if (blob.size_bytes != size_bytes) {
    return refused("{} has {} bytes, not the {} that it is said to have", digest.short_text(), blob.size_bytes,
                   size_bytes);
  }
  std::string text(size_bytes, '\0');
  BlobSource source(blob);
  for (std::size_t have = 0; have < text.size();) {
    KRAIT_TRY(const auto got, source.read({text.data() + have, text.size() - have}));
    have += got;
  }
  ContentHasher hasher(digest.algorithm);
  hasher.add(text);
  if (const ContentDigest found = hasher.digest(); found != digest) {
    return refused("what is said to be {} is {}", digest.text(), found.text());
  }
  return text;
}

}  // namespace krata::image
