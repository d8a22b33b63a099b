#include "common/event/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "common/file.h"

namespace common {

namespace {

Error is_not_ours(const std::string& directory, const struct stat& status, std::string_view hint) {
  if (status.st_uid == 0 || status.st_uid == ::geteuid()) {
    return {ErrorCode::permission,
            fmt::format("everybody in a group, or anybody, may exchange files in {0}; chmod go-w {0}", directory)};
  }
  return {ErrorCode::permission, fmt::format("{} belongs to user {}, who may exchange files there under this program's "
                                             "feet; {}",
                                             directory, status.st_uid, hint)};
}

}  // namespace

Result<void> make_own_directory_of(const std::string& path, std::string_view hint) {
  KRAIT_CHECK(make_directory_of(path));
  const std::string directory = directory_of(path);
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) {
    return Error::from_errno(errno, "look at the directory " + directory);
  }
  const bool others_write = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0;
  return (status.st_uid == 0 || status.st_uid == ::geteuid()) && !others_write ? Result<void>()
                                                                               : is_not_ours(directory, status, hint);
}

namespace {

// A lock on a file that its former owner has removed meanwhile excludes nobody.
bool is_at(const std::string& path, const Fd& fd) {
  struct stat there{};
  struct stat here{};
  return ::lstat(path.c_str(), &there) == 0 && ::fstat(fd.get(), &here) == 0 && there.st_ino == here.st_ino &&
         there.st_dev == here.st_dev;
}

// False with errno EWOULDBLOCK: somebody else holds it for longer.
bool lock_soon(int fd) {
  constexpr std::chrono::milliseconds kPause{10};
  const auto end = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace

Result<LockFile> LockFile::take(const std::string& path, const std::string& taken) {
  for (;;) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd.valid()) {
      return Error::from_errno(errno, "open " + path);
    }
    if (!lock_soon(fd.get())) {
      return errno == EWOULDBLOCK ? Error(ErrorCode::unavailable, taken) : Error::from_errno(errno, "lock " + path);
    }
    if (is_at(path, fd)) {
      return LockFile(path, std::move(fd));
    }
  }
}

Result<void> LockFile::write(const std::string& text) const {
  if (::ftruncate(fd_.get(), 0) != 0 ||
      ::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return Error::from_errno(errno, "write " + path_);
  }
  return {};
}

void LockFile::remove_file() const { ::unlink(path_.c_str()); }

}  // namespace common
