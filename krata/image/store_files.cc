#include "krata/image/store_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/fd.h"
#include "common/file.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace fs = std::filesystem;

Result<void> make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Error::from_errno(error.value(), fmt::format("make the folder {}", path)) : Result<void>();
}

Result<void> lock_file(int fd, int how, const char* what) {
  while (::flock(fd, how) != 0) {
    if (errno != EINTR) {
      return errno == EWOULDBLOCK ? Error(ErrorCode::unavailable, what) : Error::from_errno(errno, what);
    }
  }
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  const Fd folder(::open(common::directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() && ::fsync(folder.get()) == 0
             ? Result<void>()
             : Error::from_errno(errno, fmt::format("sync the folder of {}", path));
}

Result<std::vector<std::string>> files_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename());
  }
  if (error) {
    return Error::from_errno(error.value(), fmt::format("read {}", folder));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace krata::image
