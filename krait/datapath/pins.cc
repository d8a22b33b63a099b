#include "krait/datapath/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "krait/rundir/bpffs.h"

namespace krait::datapath {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr int kFolderFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// What only takes a path, without a second look-up of the folders before the last name.
std::string path_in(const Fd& folder, const char* name) {
  return fmt::format("/proc/self/fd/{}/{}", folder.get(), name);
}

void remove_in(const Fd& folder, const char* name) {
  std::error_code error;
  std::filesystem::remove_all(path_in(folder, name), error);  // a link itself, not what it leads to
}

struct Named {
  const Fd& folder;
  const char* name;
};

// Takes the place of whatever has that name: a pin in one step, a folder that somebody made there goes first. Gives the
// errno, 0 when it is done.
int move_over(const Named& from, const Named& to) {
  const auto move = [&] { return ::renameat(from.folder.get(), from.name, to.folder.get(), to.name) == 0 ? 0 : errno; };
  const int failed = move();
  if (failed != EISDIR) {
    return failed;
  }
  remove_in(to.folder, to.name);
  return move();
}

}  // namespace

Result<Pins> Pins::open(const std::string& bpffs, const std::string& interface) {
  KRAIT_CHECK(rundir::mount_bpffs(bpffs));
  Pins pins = at(bpffs, interface);
  KRAIT_CHECK(pins.make());
  return pins;
}

std::string Pins::directory() const {
  std::string path = bpffs_;
  for (const std::string& folder : folders_) {
    path += "/" + folder;
  }
  return path;
}

Result<Fd> Pins::open_folder(std::size_t depth) const {
  auto folder = rundir::open_bpffs(bpffs_);
  for (std::size_t i = 0; folder && i < depth; ++i) {
    Fd inner(::openat(folder->get(), folders_[i].c_str(), kFolderFlags));
    if (!inner.valid()) {
      return Error::from_errno(errno, fmt::format("open {}", directory()));
    }
    *folder = std::move(inner);
  }
  return folder;
}

Result<Fd> Pins::open_directory() const {
  KRAIT_TRY(const auto folder, open_folder());
  Fd readable(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", directory()));
  }
  return readable;
}

Result<void> Pins::make() const {
  KRAIT_TRY(const auto parent, open_parent());
  const char* name = folders_.back().c_str();
  struct stat there{};
  if (::fstatat(parent.get(), name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode)) {
    ::unlinkat(parent.get(), name, 0);
  }
  if (::mkdirat(parent.get(), name, 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, fmt::format("make {}", directory()));
  }
  return {};
}

Result<Pins> Pins::make_inner(const char* name) const {
  Pins pins = inner(name);
  KRAIT_CHECK(pins.make());
  return pins;
}

Pins Pins::inner(const char* name) const {
  std::vector<std::string> folders = folders_;
  folders.emplace_back(name);
  return {bpffs_, std::move(folders)};
}

Result<void> Pins::take(const Pins& from, const char* name) const {
  const auto theirs = from.open_folder();
  const auto ours = open_folder();
  if (!theirs || !ours) {
    return !theirs && theirs.error().code() == ErrorCode::not_found ? Result<void>() : (theirs ? ours : theirs).error();
  }
  const int failed = move_over({*theirs, name}, {*ours, name});
  return failed == 0 || failed == ENOENT
             ? Result<void>()
             : Error::from_errno(failed, fmt::format("move {} to {}", from.text(name), text(name)));
}

bool Pins::any() const {
  const auto folder = open_folder();
  std::error_code error;
  return folder &&
         std::filesystem::directory_iterator(path_in(*folder, "."), error) != std::filesystem::directory_iterator() &&
         !error;
}

Fd Pins::get(const char* name) const {
  const auto folder = open_folder();
  // The kernel would follow a link here.
  const Fd pin(folder ? ::openat(folder->get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1);
  return Fd(pin.valid() ? bpf_obj_get(fmt::format("/proc/self/fd/{}", pin.get()).c_str()) : -1);
}

Result<void> Pins::put(const char* name, int fd) const {
  KRAIT_TRY(const auto folder, open_folder());
  if (bpf_obj_pin(fd, path_in(folder, name).c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("pin {}", text(name)));
  }
  return {};
}

Result<void> Pins::replace(const char* name, int fd) const {
  const std::string scratch = fmt::format("{}_new", name);
  remove(scratch.c_str());
  KRAIT_CHECK(put(scratch.c_str(), fd));
  KRAIT_TRY(const auto folder, open_folder());
  const int failed = move_over({folder, scratch.c_str()}, {folder, name});
  return failed == 0 ? Result<void>()
                     : Error::from_errno(failed, fmt::format("move {} to {}", text(scratch.c_str()), text(name)));
}

void Pins::remove(const char* name) const {
  if (const auto folder = open_folder()) {
    remove_in(*folder, name);
  }
}

Result<void> Pins::remove_all() const {
  const auto parent = open_parent();
  if (!parent) {
    return parent.error().code() == ErrorCode::not_found ? Result<void>() : parent.error();
  }
  std::error_code error;
  std::filesystem::remove_all(path_in(*parent, folders_.back().c_str()), error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return Error::from_errno(error.value(), fmt::format("remove {}", directory()));
  }
  return {};
}

}  // namespace krait::datapath
