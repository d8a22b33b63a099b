#include "krait/datapath/bpffs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "common/fd.h"

namespace krait::datapath {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr int kFolderFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct Place {
  std::filesystem::path parent;
  std::string name;
};

Place place_of(const std::string& path) {
  const std::filesystem::path whole(path);
  return {whole.parent_path(), whole.filename().string()};
}

Result<Fd> open_parent(const Place& place) {
  if (::mkdir(place.parent.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, fmt::format("make {}", place.parent.string()));
  }
  Fd parent(::open(place.parent.c_str(), kFolderFlags));
  if (!parent.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", place.parent.string()));
  }
  return parent;
}

Result<Fd> open_folder(const Fd& parent, const Place& place) {
  Fd folder(::openat(parent.get(), place.name.c_str(), kFolderFlags));
  if (!folder.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", (place.parent / place.name).string()));
  }
  return folder;
}

bool is_bpffs(const Fd& folder) {
  struct statfs status{};
  return ::fstatfs(folder.get(), &status) == 0 && static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// The folder and all that is in it. By descriptors, for whoever owns a folder may exchange what is in it meanwhile.
bool give_all(const Fd& folder, uid_t user, gid_t group) {
  if (::fchownat(folder.get(), "", user, group, AT_EMPTY_PATH) != 0) {
    return false;
  }
  const std::unique_ptr<DIR, CloseFolder> list(
      ::fdopendir(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  while (const dirent* entry = list ? ::readdir(list.get()) : nullptr) {
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") {
      continue;
    }
    const Fd inner(::openat(folder.get(), entry->d_name, kFolderFlags));
    const bool given = inner.valid() ? give_all(inner, user, group)
                                     : ::fchownat(folder.get(), entry->d_name, user, group, AT_SYMLINK_NOFOLLOW) == 0;
    if (!given) {
      return false;
    }
  }
  return list != nullptr;
}

Error cannot_mount(const std::string& path, int sys_errno) {
  if (sys_errno == EPERM) {
    return {common::ErrorCode::permission,
            fmt::format("no BPF file system is mounted on {}; as root: systemctl restart krait-agent", path), EPERM};
  }
  return Error::from_errno(sys_errno, fmt::format("mount a BPF file system on {}", path));
}

}  // namespace

bool is_bpffs(const std::string& path) {
  const Fd folder(::open(path.c_str(), kFolderFlags));
  return folder.valid() && is_bpffs(folder);
}

Result<void> mount_bpffs(const std::string& path) {
  const Place place = place_of(path);
  auto parent = open_parent(place);
  if (!parent) {
    return std::move(parent.error());
  }
  if (::mkdirat(parent->get(), place.name.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, fmt::format("make {}", path));
  }
  auto folder = open_folder(*parent, place);
  if (!folder) {
    return std::move(folder.error());
  }
  if (is_bpffs(*folder)) {
    return {};
  }
  const std::string target = fmt::format("/proc/self/fd/{}", folder->get());
  if (::mount("bpf", target.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return cannot_mount(path, errno);
  }
  return {};
}

Result<void> give_bpffs(const std::string& path, uid_t user, gid_t group) {
  const Place place = place_of(path);
  auto parent = open_parent(place);
  auto folder = parent ? open_folder(*parent, place) : Result<Fd>(std::move(parent.error()));
  if (!folder) {
    return std::move(folder.error());
  }
  if (!is_bpffs(*folder)) {
    return Error(common::ErrorCode::invalid_input, fmt::format("{} is no BPF file system", path));
  }
  const bool given = ::fchownat(parent->get(), "", user, group, AT_EMPTY_PATH) == 0 && give_all(*folder, user, group);
  return given ? Result<void>() : Error::from_errno(errno, fmt::format("give {} to user {}", path, user));
}

namespace {

// The kernel puts files of its own into a new one (kernel/bpf/preload); folders are somebody's pins.
bool has_folders(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_directory(error)) {
      return true;
    }
  }
  return bool(error);
}

}  // namespace

void release_bpffs(const std::string& path) {
  if (!is_bpffs(path) || has_folders(path)) {
    return;
  }
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) {
    ::rmdir(path.c_str());
  }
}

}  // namespace krait::datapath
