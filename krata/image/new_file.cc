#include "krata/image/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/file.h"

namespace krata::image {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr int kMode = 0644;

}  // namespace

Result<NewFile> NewFile::create(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return Error(common::ErrorCode::invalid_input, fmt::format("{} is there and is no regular file", path));
  }
  Fd fd(::open(common::directory_of(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (fd.valid()) {
    return NewFile(std::move(fd), path, {});
  }
  if (errno != EOPNOTSUPP && errno != EISDIR) {
    return Error::from_errno(errno, fmt::format("create a file in {}", common::directory_of(path)));
  }
  std::string scratch = fmt::format("{}.{}.new", path, ::getpid());
  ::unlink(scratch.c_str());
  fd.reset(::open(scratch.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("create {}", scratch));
  }
  return NewFile(std::move(fd), path, std::move(scratch));
}

NewFile::~NewFile() {
  if (fd_.valid() && !scratch_.empty()) {
    ::unlink(scratch_.c_str());
  }
}

Result<void> NewFile::publish() {
  if (::fsync(fd_.get()) != 0) {
    return Error::from_errno(errno, fmt::format("sync {}", path_));
  }
  if (scratch_.empty()) {
    // A name cannot be taken over by linkat(): a second step does that.
    std::string scratch = fmt::format("{}.{}.new", path_, ::getpid());
    ::unlink(scratch.c_str());
    const std::string own = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, scratch.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return Error::from_errno(errno, fmt::format("create {}", scratch));
    }
    scratch_ = std::move(scratch);
  }
  if (::rename(scratch_.c_str(), path_.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("rename {} to {}", scratch_, path_));
  }
  scratch_.clear();
  const Fd folder(::open(common::directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) {
    return Error::from_errno(errno, fmt::format("sync the folder of {}", path_));
  }
  return {};
}

}  // namespace krata::image
