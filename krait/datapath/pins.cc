#include "krait/datapath/pins.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "krait/datapath/bpffs.h"

namespace krait::datapath {

namespace {

// Takes the place of whatever has that name: a pin in one step, a folder that somebody made there goes first.
common::Result<void> move_over(const std::string& from, const std::string& to) {
  int failed = std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  if (failed == EISDIR) {
    std::error_code error;
    std::filesystem::remove_all(to, error);
    failed = std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  }
  if (failed != 0) {
    return common::Error::from_errno(failed, fmt::format("move {} to {}", from, to));
  }
  return {};
}

}  // namespace

Pins Pins::at(const std::string& bpffs, const std::string& interface) {
  return Pins(fmt::format("{}/{}", bpffs, interface));
}

common::Result<Pins> Pins::open(const std::string& bpffs, const std::string& interface) {
  if (auto mounted = mount_bpffs(bpffs); !mounted) {
    return std::move(mounted.error());
  }
  Pins pins = at(bpffs, interface);
  if (auto made = pins.make(); !made) {
    return std::move(made.error());
  }
  return pins;
}

common::Result<void> Pins::make() const {
  std::error_code error;
  if (const auto there = std::filesystem::symlink_status(folder_, error);
      std::filesystem::exists(there) && !std::filesystem::is_directory(there)) {
    std::filesystem::remove(folder_, error);
  }
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return common::Error::from_errno(errno, fmt::format("make {}", folder_));
  }
  return {};
}

common::Result<Pins> Pins::make_inner(const char* name) const {
  Pins pins = inner(name);
  if (auto made = pins.make(); !made) {
    return std::move(made.error());
  }
  return pins;
}

common::Result<void> Pins::take(const Pins& from, const char* name) const {
  if (auto moved = move_over(from.path(name), path(name)); !moved && moved.error().sys_errno() != ENOENT) {
    return moved;
  }
  return {};
}

bool Pins::any() const {
  std::error_code error;
  const std::filesystem::directory_iterator entries(folder_, error);
  return !error && entries != std::filesystem::directory_iterator();
}

common::Fd Pins::get(const char* name) const { return common::Fd(bpf_obj_get(path(name).c_str())); }

common::Result<void> Pins::put(const char* name, int fd) const {
  if (bpf_obj_pin(fd, path(name).c_str()) != 0) {
    return common::Error::from_errno(errno, fmt::format("pin {}", path(name)));
  }
  return {};
}

common::Result<void> Pins::replace(const char* name, int fd) const {
  const std::string scratch = fmt::format("{}_new", name);
  remove(scratch.c_str());
  if (auto pinned = put(scratch.c_str(), fd); !pinned) {
    return pinned;
  }
  return move_over(path(scratch.c_str()), path(name));
}

void Pins::remove(const char* name) const {
  std::error_code error;
  std::filesystem::remove_all(path(name), error);
}

common::Result<void> Pins::remove_all() const {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return common::Error::from_errno(error.value(), fmt::format("remove {}", folder_));
  }
  return {};
}

}  // namespace krait::datapath
