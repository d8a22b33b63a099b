#include "krait/datapath/pins.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace krait::datapath {

namespace {

bool is_bpffs(const std::string& path) {
  struct statfs status{};
  return ::statfs(path.c_str(), &status) == 0 && static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC;
}

common::Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return common::Error::from_errno(errno, fmt::format("make {}", path));
  }
  return {};
}

}  // namespace

Pins Pins::at(const std::string& bpffs, const std::string& interface) {
  return Pins(fmt::format("{}/krait/{}", bpffs, interface));
}

common::Result<Pins> Pins::open(const std::string& bpffs, const std::string& interface) {
  if (!is_bpffs(bpffs) && ::mount("bpf", bpffs.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return common::Error::from_errno(errno, fmt::format("mount a BPF file system on {}", bpffs));
  }
  for (const std::string& folder : {fmt::format("{}/krait", bpffs), fmt::format("{}/krait/{}", bpffs, interface)}) {
    if (auto made = make_folder(folder); !made) {
      return std::move(made.error());
    }
  }
  return at(bpffs, interface);
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
  if (std::rename(path(scratch.c_str()).c_str(), path(name).c_str()) != 0) {
    return common::Error::from_errno(errno, fmt::format("rename to {}", path(name)));
  }
  return {};
}

void Pins::remove(const char* name) const { ::unlink(path(name).c_str()); }

common::Result<void> Pins::remove_all() const {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return common::Error::from_errno(error.value(), fmt::format("remove {}", folder_));
  }
  ::rmdir(std::filesystem::path(folder_).parent_path().c_str());  // stays while it holds another interface's pins
  return {};
}

}  // namespace krait::datapath
