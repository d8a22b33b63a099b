#include "krata/daemon/bundle_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "common/fd.h"
#include "krata/bundle/image_process.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  const char* name;
};

// fs/ext4/ext4.h, fs/squashfs/squashfs_fs.h and fs/erofs/erofs_fs.h of Linux.
constexpr std::array<Magic, 3> kMagics{
    {{1024 + 56, "\x53\xef", "ext4"}, {0, "hsqs", "squashfs"}, {1024, "\xe2\xe1\xf5\xe0", "erofs"}}};

std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

bundle::Overrides overrides_of(const model::ZoneSpec& spec) {
  return {.command = spec.command,
          .environment = spec.env,
          .working_directory = unless_empty(spec.workdir),
          .user = unless_empty(spec.user),
          .terminal = spec.tty};
}

}  // namespace

Result<std::string> file_system_of(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return Error::from_errno(errno, "open the disk " + path);
  }
  std::array<char, 2048> start{};
  const ssize_t got = ::pread(file.get(), start.data(), start.size(), 0);
  if (got < 0) {
    return Error::from_errno(errno, "read the disk " + path);
  }
  const std::string_view bytes(start.data(), static_cast<std::size_t>(got));
  for (const Magic& magic : kMagics) {
    if (bytes.size() > magic.offset && bytes.substr(magic.offset).starts_with(magic.bytes)) {
      return std::string(magic.name);
    }
  }
  return Error(ErrorCode::invalid_input,
               fmt::format("the disk {} holds no file system that zones know; make one with mkfs.ext4", path));
}

Result<bundle::Process> exec_process(const model::ZoneRecord& record, std::string_view config_text,
                                     const control::ExecSpec& exec) {
  bundle::Overrides overrides = overrides_of(record.spec);
  overrides.environment.insert(overrides.environment.end(), exec.env.begin(), exec.env.end());
  overrides.terminal = exec.tty;
  if (!exec.workdir.empty()) {
    overrides.working_directory = exec.workdir;
  }
  if (!exec.user.empty()) {
    overrides.user = exec.user;
  }
  KRAIT_TRY(auto own, bundle::image_process(config_text, overrides));
  bundle::Process process = std::move(own.process);
  process.arguments = exec.command;
  process.size = {.rows = exec.size.rows, .columns = exec.size.columns};
  KRAIT_CHECK(bundle::check_process(process));
  return process;
}

Result<bundle::Bundle> bundle_of(const model::ZoneRecord& record, std::string_view config_text) {
  const model::ZoneSpec& spec = record.spec;
  KRAIT_TRY(auto process, bundle::image_process(config_text, overrides_of(spec)));
  bundle::Bundle made;
  made.zone_id = record.id.text();
  made.hostname = spec.hostname.empty() ? spec.name : spec.hostname;
  made.process = std::move(process.process);
  made.stop_signal = process.stop_signal;
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const model::DiskSpec& disk = spec.disks[i];
    bundle::Disk mounted;
    KRAIT_TRY(mounted.file_system, file_system_of(disk.file));
    mounted.device = fmt::format("xvd{}", kDiskLetters.at(i + 2));
    if (disk.mount == "/") {
      if (mounted.file_system != "ext4") {
        return Error(ErrorCode::invalid_input,
                     fmt::format("the disk {} at / holds {}, which nothing can be written to; "
                                 "make one with mkfs.ext4",
                                 disk.file, mounted.file_system));
      }
      made.scratch_device = std::move(mounted.device);
      continue;
    }
    mounted.path = disk.mount;
    mounted.read_only = disk.read_only || mounted.file_system != "ext4";
    made.disks.push_back(std::move(mounted));
  }
  return made;
}

}  // namespace krata::daemon
