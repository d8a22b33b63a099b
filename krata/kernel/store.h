// The kernels that zones can boot, each under its version in a folder of its own: the kernel image as it was given and
// an archive of the modules that a zone needs. Written whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krata/kernel/files.h"

namespace krata::kernel {

inline constexpr const char* kImageName = "vmlinuz";

struct Kernel {
  std::string version;       // "6.1.0-42-cloud-amd64"
  std::string image_path;    // the bzImage
  std::string modules_path;  // a cpio archive (newc) of the modules in it
  std::string folder;        // that both are in; whoever boots the kernel may keep more there
  std::uint64_t image_bytes = 0;
  std::uint64_t modules_bytes = 0;
  std::int64_t added_s = 0;  // Unix time
};

// Blocks on the file system. Several processes may use one folder.
class KernelStore {
 public:
  // /var/lib/krata/kernels is kratad's.
  explicit KernelStore(std::string folder) : folder_(std::move(folder)) {}

  // Makes the folder where it is missing.
  [[nodiscard]] common::Result<void> make() const;

  // Takes a kernel of `files` and, of `modules_folder` (empty: /lib/modules/VERSION), the modules that a zone needs.
  // Takes the place of one of the same version. Errors: invalid_input (no x86 kernel), not_found (no such file, a
  // module is missing), unsupported, limit, system.
  common::Result<Kernel> add(const Files& files, const std::string& image_path, const std::string& modules_folder = "");

  // By version, newest last, as versions compare.
  [[nodiscard]] common::Result<std::vector<Kernel>> list() const;
  // `version` empty: the newest. Fails with not_found.
  [[nodiscard]] common::Result<Kernel> find(std::string_view version) const;
  common::Result<void> remove(std::string_view version);

 private:
  std::string folder_;
};

// Of what a zone unpacks as its first file system: bytes, or all of a file.
struct InitramfsPart {
  std::string bytes;
  common::Fd file;  // open for reading, where it is one
  std::uint64_t file_bytes = 0;
};

// All of that, one part behind the other: the modules, and `init_path` (krata-init) as /init. Megabytes, which whoever
// builds a zone need not have in its memory.
common::Result<std::vector<InitramfsPart>> initramfs(const Kernel& kernel, const std::string& init_path);

// The zone's kernel command line. `extra`: further words of the user's for the kernel; may be empty. The bundle is the
// disk "xvdb", the channel the second console "hvc1".
std::string command_line(std::string_view extra);

}  // namespace krata::kernel
