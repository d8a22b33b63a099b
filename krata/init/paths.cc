#include "krata/init/paths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace krata::init {

using common::Error;
using common::Fd;
using common::Result;

namespace {

Fd open_at(int folder, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT;
  return Fd(static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how))));
}

}  // namespace

Result<Fd> open_in(const std::string& root, std::string_view path, int flags) {
  const Fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string text(path);
  Fd fd = folder.valid() ? open_at(folder.get(), text, flags) : Fd();
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", text));
  }
  return fd;
}

Result<void> make_folders_in(const std::string& root, std::string_view path) {
  const Fd top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", root));
  }
  // From the root anew for each part: a link in the middle may lead upwards.
  for (std::size_t end = 0; end < path.size();) {
    const std::size_t start = path.find_first_not_of('/', end);
    if (start == std::string_view::npos) {
      return {};
    }
    end = std::min(path.find('/', start), path.size());
    const std::string parent(path.substr(0, start));
    const std::string name(path.substr(start, end - start));
    const Fd folder = open_at(top.get(), parent, O_PATH | O_DIRECTORY);
    if (!folder.valid() || (::mkdirat(folder.get(), name.c_str(), 0755) != 0 && errno != EEXIST)) {
      return Error::from_errno(errno, fmt::format("make the folder {}", path.substr(0, end)));
    }
    const Fd made = open_at(top.get(), std::string(path.substr(0, end)), O_PATH | O_DIRECTORY);
    if (!made.valid()) {
      return Error::from_errno(errno, fmt::format("make the folder {}", path.substr(0, end)));
    }
  }
  return {};
}

Result<void> make_folders(std::string_view path) { return make_folders_in("/", path); }

}  // namespace krata::init
