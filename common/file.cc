#include "common/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>

#include "common/clock.h"
#include "common/fd.h"

namespace common {

namespace {

constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

Result<Fd> check_regular(Fd fd, const std::string& path, struct stat& status) {
  if (!fd.valid()) {
    return errno == ELOOP ? Error(ErrorCode::invalid_input, fmt::format("{} is a symbolic link", path))
                          : Error::from_errno(errno, fmt::format("open {}", path));
  }
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(errno, fmt::format("stat {}", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is not a regular file", path));
  }
  return fd;
}

Result<Fd> open_regular(const std::string& path, struct stat& status) {
  return check_regular(Fd(::open(path.c_str(), kReadFlags)), path, status);
}

// Through the folder's descriptor: the folder that was looked at is the one that is read from.
Result<Fd> open_regular_of_others(const std::string& path, struct stat& status) {
  const auto slash = path.rfind('/');
  const std::string folder_path = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const Fd folder(::open(folder_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat owner{};
  if (!folder.valid() || ::fstat(folder.get(), &owner) != 0) {
    return Error::from_errno(errno, fmt::format("open {}", path));
  }
  const bool is_ours = (owner.st_uid == 0 || owner.st_uid == ::geteuid()) && (owner.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  auto fd =
      check_regular(Fd(::openat(folder.get(), name.c_str(), kReadFlags | (is_ours ? 0 : O_NOFOLLOW))), path, status);
  if (fd && !is_ours && status.st_uid != owner.st_uid) {
    return Error(ErrorCode::permission, fmt::format("{} belongs to another user than its folder", path));
  }
  return fd;
}

// Gives what is in the file to `take`, piece by piece.
template <typename Take>
Result<void> read_pieces(int fd, std::size_t max_bytes, std::string_view name, const Take& take) {
  std::string chunk(std::size_t{1} << 16U, '\0');
  std::size_t bytes = 0;
  for (;;) {
    KRAIT_TRY(const std::size_t got, read_into(fd, chunk, name));
    bytes += got;
    if (bytes > max_bytes) {
      return Error(ErrorCode::limit, fmt::format("{} is larger than {} bytes", name, max_bytes));
    }
    take(std::string_view(chunk).substr(0, got));
    if (got < chunk.size()) {
      return {};
    }
  }
}

// A read lease (fcntl(2)) is refused while somebody has the file open for writing, and makes who wants to open it so
// wait until it is closed. Where the kernel gives none the times have to do.
bool is_open_for_writing(int fd) {
  ::fcntl(fd, F_SETSIG, SIGURG);  // tells of who waits; SIGURG is ignored by default, SIGIO would end the process
  return ::fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
}

// ctime: unlike mtime nobody sets it.
bool is_unchanged(const struct stat& before, const struct stat& after) {
  return before.st_dev == after.st_dev && before.st_ino == after.st_ino && before.st_size == after.st_size &&
         before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec;
}

bool is_old(const struct stat& status) {
  const auto changed = std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec);
  return std::chrono::nanoseconds(now().unix_ns) - changed >= kSettle;
}

template <typename Value>
using Reader = std::function<Result<Value>(const Fd&)>;

// Nothing: somebody writes. `seen` is what was found kSettle ago, and becomes what is found now: the clock may be set,
// so that a file can be younger than now for years.
template <typename Value>
Result<std::optional<Value>> read_settled(const std::string& path, struct stat& seen, const Reader<Value>& read) {
  struct stat before{};
  KRAIT_TRY(const auto fd, open_regular(path, before));
  const bool settled = is_unchanged(seen, before) || is_old(before);
  seen = before;
  if (!settled || is_open_for_writing(fd.get())) {
    return std::optional<Value>();
  }
  KRAIT_TRY(auto value, read(fd));
  struct stat after{};
  if (::fstat(fd.get(), &after) != 0) {
    return Error::from_errno(errno, fmt::format("stat {}", path));
  }
  return is_unchanged(before, after) ? std::optional(std::move(value)) : std::nullopt;
}

// What `read` makes of the file, when nobody writes it.
template <typename Value>
Result<Value> when_settled(const std::string& path, const Reader<Value>& read) {
  struct stat seen{};
  for (int tries = 0; tries < kMaxSettles; ++tries) {
    KRAIT_TRY(auto value, read_settled(path, seen, read));
    if (value) {
      return std::move(*value);
    }
    std::this_thread::sleep_for(kSettle);
  }
  return Error(ErrorCode::unavailable, fmt::format("{} is being written", path));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  struct stat status{};
  KRAIT_TRY(const auto fd, open_regular(path, status));
  return read_to_end(fd.get(), max_bytes, path);
}

Result<std::string> read_file_of_others(const std::string& path, std::size_t max_bytes) {
  struct stat status{};
  KRAIT_TRY(const auto fd, open_regular_of_others(path, status));
  return read_to_end(fd.get(), max_bytes, path);
}

Result<std::string> read_settled_file(const std::string& path, std::size_t max_bytes) {
  return when_settled<std::string>(path, [&](const Fd& fd) { return read_to_end(fd.get(), max_bytes, path); });
}

Result<Digest> settled_file_digest(const std::string& path, std::size_t max_bytes) {
  return when_settled<Digest>(path, [&](const Fd& fd) -> Result<Digest> {
    Digester digester;
    KRAIT_CHECK(read_pieces(fd.get(), max_bytes, path, [&digester](std::string_view piece) { digester.add(piece); }));
    return digester.digest();
  });
}

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string scratch = fmt::format("{}.{}.new", path, ::getpid());
  ::unlink(scratch.c_str());  // of a process that had this number and was ended half-way
  Fd fd(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("create {}", scratch));
  }
  const auto fail = [&](const char* what) {
    const int why = errno;
    ::unlink(scratch.c_str());
    return Error::from_errno(why, fmt::format("{} {}", what, scratch));
  };
  if (auto written = write_all(fd.get(), text, scratch); !written) {
    ::unlink(scratch.c_str());
    return written;
  }
  if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
    return fail("sync");
  }
  if (::rename(scratch.c_str(), path.c_str()) != 0) {
    return fail("rename");
  }
  return {};
}

Result<std::size_t> read_into(int fd, std::span<char> bytes, std::string_view name) {
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return Error::from_errno(errno, fmt::format("read {}", name));
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  return size;
}

Result<std::string> read_to_end(int fd, std::size_t max_bytes, std::string_view name) {
  std::string text;
  struct stat status{};
  if (::fstat(fd, &status) == 0) {
    text.reserve(std::min(static_cast<std::size_t>(status.st_size), max_bytes));
  }
  KRAIT_CHECK(read_pieces(fd, max_bytes, name, [&text](std::string_view piece) { text.append(piece); }));
  return text;
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return Error::from_errno(errno, fmt::format("write {}", name));
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> write_all_at(int fd, std::uint64_t offset, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return Error::from_errno(errno, fmt::format("write {}", name));
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
}

Result<void> make_directory_of(const std::string& path, unsigned mode) {
  const std::string directory = directory_of(path);
  if (::mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make the directory " + directory);
  }
  return {};
}

}  // namespace common
