#include "krata/init/root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/fd.h"
#include "common/file.h"
#include "krata/init/paths.h"
#include "krata/init/system.h"
#include "krata/init/texts.h"

namespace krata::init {

using bundle::Bundle;
using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr const char* kImage = "/image";      // in the initramfs: the image as it is
constexpr const char* kScratch = "/scratch";  // what the container writes
constexpr const char* kRoot = "/root";        // both together

// Four requests of Linux's front end: what is read one after the other then costs the host a quarter of the turns that
// it costs with the kernel's 128 KiB.
constexpr unsigned long kReadAheadBytes = 512UL << 10U;
constexpr unsigned long kSectorBytes = 512;

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

struct Mount {
  const char* type;
  const char* path;  // below the container's root
  unsigned long flags;
  const char* options;
};
// runtime-spec, "Default Filesystems"; what a container finds everywhere.
constexpr auto kMounts = std::to_array<Mount>({
    {"proc", "/proc", kPlain, nullptr},
    {"sysfs", "/sys", kPlain, nullptr},
    {"cgroup2", "/sys/fs/cgroup", kPlain, nullptr},
    {"tmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=666,mode=620,gid=5"},
    {"tmpfs", "/dev/shm", kPlain, "mode=1777"},
    {"mqueue", "/dev/mqueue", kPlain, nullptr},
});

struct Device {
  const char* path;
  unsigned major;
  unsigned minor;
};
// Documentation/admin-guide/devices.txt of the kernel.
constexpr auto kDevices = std::to_array<Device>({
    {"/dev/null", 1, 3},
    {"/dev/zero", 1, 5},
    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8},
    {"/dev/urandom", 1, 9},
    {"/dev/tty", 5, 0},
});

struct Link {
  const char* path;
  const char* target;
};
constexpr auto kLinks = std::to_array<Link>({
    {"/dev/ptmx", "pts/ptmx"},
    {"/dev/fd", "/proc/self/fd"},
    {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
});

Result<void> mount_or_say(const char* source, const std::string& path, const char* type, unsigned long flags,
                          const char* options) {
  if (::mount(source, path.c_str(), type, flags, options) != 0) {
    return Error::from_errno(errno, fmt::format("mount {} on {} as {}", source, path, type));
  }
  return {};
}

// By its first bytes: squashfs 4.0 format, "Superblock"; fs/erofs/erofs_fs.h.
Result<const char*> image_type(const std::string& device) {
  constexpr std::string_view kSquashfs = "hsqs";
  constexpr std::string_view kErofs = "\xe2\xe1\xf5\xe0";
  constexpr std::size_t kErofsOffset = 1024;
  KRAIT_TRY(const Fd disk, open_device(device, O_RDONLY));
  std::array<char, kErofsOffset + 4> bytes{};
  KRAIT_TRY(const std::size_t got, common::read_into(disk.get(), bytes, "the image"));
  const std::string_view start(bytes.data(), got);
  if (start.starts_with(kSquashfs)) {
    return "squashfs";
  }
  if (got == bytes.size() && start.substr(kErofsOffset) == kErofs) {
    return "erofs";
  }
  return Error(common::ErrorCode::invalid_input,
               fmt::format("the disk {} holds neither squashfs nor EROFS: no image", device));
}

Result<void> mount_image(const Bundle& bundle) {
  KRAIT_TRY(const char* const type, image_type(bundle.image_device));
  KRAIT_CHECK(load_module(type));
  ::mkdir(kImage, 0755);
  return mount_or_say(("/dev/" + bundle.image_device).c_str(), kImage, type, MS_RDONLY, nullptr);
}

// By the mount's own root, which is what can be told to end.
Result<void> keep(Disks& disks, const std::string& place) {
  Fd mount(::open(place.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!mount.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", place));
  }
  disks.push_back(std::move(mount));
  return {};
}

Result<void> mount_scratch(const Bundle& bundle, Disks& disks) {
  ::mkdir(kScratch, 0700);
  if (bundle.scratch_device.empty()) {
    const std::string size = bundle.scratch_bytes == 0 ? "50%" : fmt::format("{}", bundle.scratch_bytes);
    return mount_or_say("tmpfs", kScratch, "tmpfs", 0, fmt::format("mode=700,size={}", size).c_str());
  }
  KRAIT_CHECK(open_device(bundle.scratch_device, O_RDONLY));
  KRAIT_CHECK(load_module("ext4"));
  KRAIT_CHECK(mount_or_say(("/dev/" + bundle.scratch_device).c_str(), kScratch, "ext4", 0, nullptr));
  return keep(disks, kScratch);
}

// The overlay's root is the upper folder's, so that has the mode and owner of the image's.
Result<void> mount_overlay() {
  const std::string upper = fmt::format("{}/upper", kScratch);
  const std::string work = fmt::format("{}/work", kScratch);
  struct stat status{};
  if (::stat(kImage, &status) != 0) {
    return Error::from_errno(errno, "look at the image's root");
  }
  for (const std::string& path : {upper, work}) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error::from_errno(errno, fmt::format("make {}", path));
    }
  }
  if (::chown(upper.c_str(), status.st_uid, status.st_gid) != 0 ||
      ::chmod(upper.c_str(), status.st_mode & 07777) != 0) {
    return Error::from_errno(errno, "prepare the overlay");
  }
  KRAIT_CHECK(load_module("overlay"));
  ::mkdir(kRoot, 0755);
  return mount_or_say("overlay", kRoot, "overlay", 0,
                      fmt::format("lowerdir={},upperdir={},workdir={}", kImage, upper, work).c_str());
}

// The initramfs itself cannot be left: its root is covered (switch_root(8) does the same).
Result<void> move_into(const char* path) {
  if (::chdir(path) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
      ::chdir("/") != 0) {
    return Error::from_errno(errno, "enter the container's root");
  }
  return {};
}

Result<void> make_devices() {
  for (const Device& device : kDevices) {
    if (::mknod(device.path, S_IFCHR | 0666, ::makedev(device.major, device.minor)) != 0 ||
        ::chmod(device.path, 0666) != 0) {
      return Error::from_errno(errno, fmt::format("make {}", device.path));
    }
  }
  for (const Link& link : kLinks) {
    if (::symlink(link.target, link.path) != 0) {
      return Error::from_errno(errno, fmt::format("make {}", link.path));
    }
  }
  return {};
}

Result<void> mount_kernel() {
  for (const Mount& mount : kMounts) {
    KRAIT_CHECK(make_folders(mount.path));
    KRAIT_CHECK(mount_or_say(mount.type, mount.path, mount.type, mount.flags, mount.options));
  }
  return make_devices();
}

// Disks are mounted while /dev of the initramfs can still be seen: by way of a folder of their own there.
std::string disk_place(std::size_t number) { return fmt::format("/disk{}", number); }

// A further disk, as soon as it is there. The image's is not read ahead so far: a fault on a page of a program reads
// all around it too, and a zone that is short of memory would do nothing else before its kernel finds that it is.
Result<void> open_disk(const std::string& device) {
  KRAIT_TRY(const Fd disk, open_device(device, O_RDONLY));
  if (::ioctl(disk.get(), BLKRASET, kReadAheadBytes / kSectorBytes) != 0) {
    return Error::from_errno(errno, fmt::format("set how far {} is read ahead", device));
  }
  return {};
}

Result<void> mount_disks(const Bundle& bundle, Disks& disks) {
  for (std::size_t i = 0; i < bundle.disks.size(); ++i) {
    const bundle::Disk& disk = bundle.disks[i];
    KRAIT_CHECK(open_disk(disk.device));
    KRAIT_CHECK(load_module(disk.file_system));
    const std::string place = disk_place(i);
    ::mkdir(place.c_str(), 0755);
    KRAIT_CHECK(mount_or_say(("/dev/" + disk.device).c_str(), place, disk.file_system.c_str(),
                             MS_NODEV | MS_NOSUID | (disk.read_only ? unsigned{MS_RDONLY} : 0U), nullptr));
    if (!disk.read_only) {
      KRAIT_CHECK(keep(disks, place));
    }
    // Where the image has a link on the way, it leads within the container's root.
    KRAIT_CHECK(make_folders_in(kRoot, disk.path));
    KRAIT_TRY(const Fd target, open_in(kRoot, disk.path, O_PATH | O_DIRECTORY));
    KRAIT_CHECK(mount_or_say(place.c_str(), fmt::format("/proc/self/fd/{}", target.get()), nullptr, MS_MOVE, nullptr));
  }
  return {};
}

// The image's may be a link to anywhere: it is replaced, never followed.
Result<void> put_file(const std::string& path, std::string_view text, unsigned mode) {
  ::unlink(path.c_str());
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file.valid()) {
    return Error::from_errno(errno, fmt::format("create {}", path));
  }
  if (::fchmod(file.get(), mode) != 0) {
    return Error::from_errno(errno, fmt::format("set the mode of {}", path));
  }
  return common::write_all(file.get(), text, path);
}

Result<void> put_keys(const Bundle& bundle) {
  if (bundle.keys.empty()) {
    return {};
  }
  KRAIT_CHECK(make_folders("/run/krata"));
  KRAIT_CHECK(mount_or_say("tmpfs", "/run/krata", "tmpfs", kPlain, "mode=755"));
  KRAIT_CHECK(make_folders("/run/krata/keys"));
  for (const bundle::Key& key : bundle.keys) {
    KRAIT_CHECK(put_file("/run/krata/keys/" + key.name, key.bytes, 0400));
  }
  return {};
}

Result<void> put_files(const Bundle& bundle) {
  KRAIT_CHECK(make_folders("/etc"));
  KRAIT_CHECK(put_file("/etc/hosts", hosts_text(bundle), 0644));
  KRAIT_CHECK(put_file("/etc/hostname", bundle.hostname + "\n", 0644));
  if (const std::string text = resolver_text(bundle); !text.empty()) {
    KRAIT_CHECK(put_file("/etc/resolv.conf", text, 0644));
  }
  return put_keys(bundle);
}

}  // namespace

Result<Disks> enter_root(const Bundle& bundle) {
  Disks disks;
  KRAIT_CHECK(mount_image(bundle));
  KRAIT_CHECK(mount_scratch(bundle, disks));
  KRAIT_CHECK(mount_overlay());
  KRAIT_CHECK(mount_disks(bundle, disks));
  KRAIT_CHECK(move_into(kRoot));
  KRAIT_CHECK(mount_kernel());
  KRAIT_CHECK(put_files(bundle));
  return disks;
}

void leave_disks(const Disks& disks) {
  for (const Fd& disk : disks) {
    // By the descriptor alone: paths are the container's.
    const Fd context(::fspick(disk.get(), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH));
    ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0);
    ::fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0);
  }
}

}  // namespace krata::init
