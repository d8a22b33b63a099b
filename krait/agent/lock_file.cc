#include "krait/agent/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace krait::agent {

using common::Error;
using common::Fd;
using common::Result;

Result<void> make_directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) {
    return {};
  }
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make the directory " + directory);
  }
  return {};
}

namespace {

// A lock on a file that its former owner has removed meanwhile excludes nobody.
bool is_at(const std::string& path, const Fd& fd) {
  struct stat there{};
  struct stat here{};
  return ::lstat(path.c_str(), &there) == 0 && ::fstat(fd.get(), &here) == 0 && there.st_ino == here.st_ino &&
         there.st_dev == here.st_dev;
}

}  // namespace

Result<LockFile> LockFile::take(const std::string& path, const std::string& taken) {
  for (;;) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd.valid()) {
      return Error::from_errno(errno, "open " + path);
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? Error(common::ErrorCode::unavailable, taken)
                                  : Error::from_errno(errno, "lock " + path);
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

}  // namespace krait::agent
