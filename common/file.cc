#include "common/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/fd.h"

namespace common {

Result<std::string> read_file(const std::string& path, std::size_t most_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", path));
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(errno, fmt::format("stat {}", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is not a regular file", path));
  }
  std::string text;
  std::string chunk(std::size_t{1} << 16U, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return Error::from_errno(errno, fmt::format("read {}", path));
    }
    if (got == 0) {
      return text;
    }
    text.append(chunk, 0, static_cast<std::size_t>(got));
    if (text.size() > most_bytes) {
      return Error(ErrorCode::limit, fmt::format("{} is larger than {} bytes", path, most_bytes));
    }
  }
}

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string scratch = fmt::format("{}.{}.new", path, ::getpid());
  Fd fd(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("create {}", scratch));
  }
  const auto fail = [&](const char* what) {
    const int why = errno;
    ::unlink(scratch.c_str());
    return Error::from_errno(why, fmt::format("{} {}", what, scratch));
  };
  while (!text.empty()) {
    const ssize_t put = ::write(fd.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return fail("write");
    }
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
    return fail("sync");
  }
  if (::rename(scratch.c_str(), path.c_str()) != 0) {
    return fail("rename");
  }
  return {};
}

}  // namespace common
