#include "krait/rundir/bpffs.h"

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

namespace krait::rundir {

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

// Whoever owned the folder so far may have linked somebody else's file there: only what has no other name is given.
bool give(const Fd& file, const struct stat& status, uid_t user, gid_t group) {
  return status.st_nlink != 1 || ::fchownat(file.get(), "", user, group, AT_EMPTY_PATH) == 0;
}

// The folder and the files in it, and all folders when `deeply`. By descriptors, for whoever owns a folder may exchange
// what is in it meanwhile.
bool give_all(const Fd& folder, uid_t user, gid_t group, bool deeply) {
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
    const Fd inner(::openat(folder.get(), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status{};
    if (!inner.valid() || ::fstat(inner.get(), &status) != 0) {
      return false;
    }
    if (S_ISDIR(status.st_mode) ? deeply && !give_all(inner, user, group, deeply) : !give(inner, status, user, group)) {
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

bool is_bpffs(const std::string& path) { return open_bpffs(path).has_value(); }

Result<Fd> open_bpffs(const std::string& path) {
  Fd folder(::open(path.c_str(), kFolderFlags));
  if (!folder.valid() && errno != ELOOP && errno != ENOTDIR) {
    return Error::from_errno(errno, fmt::format("open {}", path));
  }
  if (!folder.valid() || !is_bpffs(folder)) {
    return Error(common::ErrorCode::not_found, fmt::format("{} is no BPF file system", path));
  }
  return folder;
}

Result<void> mount_bpffs(const std::string& path) {
  const Place place = place_of(path);
  KRAIT_TRY(auto parent, open_parent(place));
  if (::mkdirat(parent.get(), place.name.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, fmt::format("make {}", path));
  }
  KRAIT_TRY(auto folder, open_folder(parent, place));
  if (is_bpffs(folder)) {
    return {};
  }
  const std::string target = fmt::format("/proc/self/fd/{}", folder.get());
  if (::mount("bpf", target.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return cannot_mount(path, errno);
  }
  return {};
}

Result<void> give_bpffs(const std::string& path, uid_t user, gid_t group) {
  const Place place = place_of(path);
  KRAIT_TRY(const auto parent, open_parent(place));
  KRAIT_TRY(const auto folder, open_folder(parent, place));
  if (!is_bpffs(folder)) {
    return Error(common::ErrorCode::invalid_input, fmt::format("{} is no BPF file system", path));
  }
  // The lock files that an agent of root has left are in the folder around it.
  const bool given = give_all(parent, user, group, false) && give_all(folder, user, group, true);
  return given ? Result<void>() : Error::from_errno(errno, fmt::format("give {} to user {}", path, user));
}

Result<void> mend_bpffs(const std::string& path) {
  struct stat owner{};
  if (is_bpffs(path) || ::lstat(place_of(path).parent.c_str(), &owner) != 0) {
    return {};
  }
  auto mounted = mount_bpffs(path);
  return mounted ? give_bpffs(path, owner.st_uid, owner.st_gid) : std::move(mounted);
}

namespace {

// The kernel puts files of its own into a new one (kernel/bpf/preload); folders are somebody's pins.
bool has_folders(const Fd& folder) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/self/fd/{}/.", folder.get()), error)) {
    if (entry.is_directory(error)) {
      return true;
    }
  }
  return bool(error);
}

}  // namespace

void release_bpffs(const std::string& path) {
  auto folder = open_bpffs(path);
  if (!folder || has_folders(*folder)) {
    return;
  }
  // The descriptor would keep it in use. A folder that has a mount on it cannot be exchanged for a link, and a link is
  // not followed.
  folder->reset();
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) {
    ::rmdir(path.c_str());
  }
}

}  // namespace krait::rundir
