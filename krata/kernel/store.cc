#include "krata/kernel/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/fd.h"
#include "common/file.h"
#include "krata/kernel/cpio.h"
#include "krata/kernel/image.h"
#include "krata/kernel/initramfs.h"

namespace krata::kernel {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMaxImageBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxArchiveBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxInitBytes = std::size_t{16} << 20U;
constexpr std::string_view kUnfinished = ".new-";
constexpr const char* kModulesName = "modules.cpio";
constexpr const char* kDefaultModules = "/lib/modules";

bool is_older(const Kernel& one, const Kernel& other) {
  return ::strverscmp(one.version.c_str(), other.version.c_str()) < 0;
}

Error no_kernel(std::string_view version) {
  return {ErrorCode::not_found,
          version.empty()
              ? "there is no kernel for zones yet: krata kernel add /boot/vmlinuz-... brings one"
              : fmt::format("there is no kernel '{:.128}'; krata kernel list says which there are", version)};
}

Result<Kernel> kernel_in(const std::string& folder, const std::string& version) {
  Kernel kernel{.version = version,
                .image_path = fmt::format("{}/{}/{}", folder, version, kImageName),
                .modules_path = fmt::format("{}/{}/{}", folder, version, kModulesName),
                .folder = fmt::format("{}/{}", folder, version)};
  struct stat image{};
  struct stat modules{};
  if (::stat(kernel.image_path.c_str(), &image) != 0 || ::stat(kernel.modules_path.c_str(), &modules) != 0) {
    return errno == ENOENT || errno == ENOTDIR
               ? no_kernel(version)
               : Error::from_errno(errno, fmt::format("look at the kernel {}", version));
  }
  kernel.image_bytes = static_cast<std::uint64_t>(image.st_size);
  kernel.modules_bytes = static_cast<std::uint64_t>(modules.st_size);
  kernel.added_s = image.st_mtime;
  return kernel;
}

Result<void> remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) {
    return Error::from_errno(error.value(), fmt::format("remove {}", path));
  }
  return {};
}

// One process changes the folder at a time; the lock goes with the descriptor.
Result<Fd> lock(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::flock(fd.get(), LOCK_EX) != 0) {
    return Error::from_errno(errno, fmt::format("open the folder of kernels {}", folder));
  }
  return fd;
}

// What processes that were killed have left.
Result<void> remove_unfinished(const std::string& folder) {
  KRAIT_TRY(const auto names, host_files()->names(folder));
  for (const std::string& name : names) {
    if (name.starts_with(kUnfinished)) {
      KRAIT_CHECK(remove_all(fmt::format("{}/{}", folder, name)));
    }
  }
  return {};
}

// The new folder gets the version's name at once; the former one's files go afterwards.
Result<void> publish(const Fd& folder, const std::string& path, const std::string& unfinished,
                     const std::string& version) {
  const std::string target = fmt::format("{}/{}", path, version);
  if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0 &&
      (errno != EEXIST || ::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0)) {
    return Error::from_errno(errno, fmt::format("rename {} to {}", unfinished, target));
  }
  if (::fsync(folder.get()) != 0) {
    return Error::from_errno(errno, fmt::format("sync {}", path));
  }
  return remove_all(unfinished);
}

}  // namespace

Result<void> KernelStore::make() const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    return Error::from_errno(error.value(), fmt::format("make the folder of kernels {}", folder_));
  }
  return {};
}

Result<Kernel> KernelStore::add(const Files& files, const std::string& image_path, const std::string& modules_folder) {
  KRAIT_TRY(const auto image, files.read(image_path, kMaxImageBytes));
  KRAIT_TRY(const auto version, image_version(std::string_view(image).substr(0, kImageStartBytes)), image_path);
  const std::string modules = modules_folder.empty() ? fmt::format("{}/{}", kDefaultModules, version) : modules_folder;
  KRAIT_TRY(const auto archive, modules_archive(files, modules, kDrivers, kFileSystems),
            fmt::format("take the modules of {}", version));
  KRAIT_CHECK(make());
  KRAIT_TRY(const Fd folder, lock(folder_));
  KRAIT_CHECK(remove_unfinished(folder_));
  const std::string unfinished = fmt::format("{}/{}{}", folder_, kUnfinished, version);
  if (::mkdir(unfinished.c_str(), 0755) != 0) {
    return Error::from_errno(errno, fmt::format("make {}", unfinished));
  }
  KRAIT_CHECK(common::write_file(fmt::format("{}/{}", unfinished, kImageName), image, 0644));
  KRAIT_CHECK(common::write_file(fmt::format("{}/{}", unfinished, kModulesName), archive, 0644));
  KRAIT_CHECK(publish(folder, folder_, unfinished, version));
  return kernel_in(folder_, version);
}

Result<std::vector<Kernel>> KernelStore::list() const {
  KRAIT_TRY(const auto names, host_files()->names(folder_));
  std::vector<Kernel> kernels;
  for (const std::string& name : names) {
    if (!is_version(name)) {
      continue;
    }
    auto kernel = kernel_in(folder_, name);
    if (kernel) {
      kernels.push_back(*std::move(kernel));
    } else if (kernel.error().code() != ErrorCode::not_found) {
      return std::move(kernel).error();
    }
  }
  std::ranges::sort(kernels, is_older);
  return kernels;
}

Result<Kernel> KernelStore::find(std::string_view version) const {
  if (version.empty()) {
    KRAIT_TRY(auto kernels, list());
    return kernels.empty() ? no_kernel({}) : Result<Kernel>(std::move(kernels.back()));
  }
  return is_version(version) ? kernel_in(folder_, std::string(version)) : no_kernel(version);
}

Result<void> KernelStore::remove(std::string_view version) {
  KRAIT_TRY(const Kernel kernel, find(version.empty() ? "." : version));
  KRAIT_TRY(const Fd folder, lock(folder_));
  KRAIT_CHECK(remove_unfinished(folder_));
  const std::string path = fmt::format("{}/{}", folder_, kernel.version);
  const std::string unfinished = fmt::format("{}/{}{}", folder_, kUnfinished, kernel.version);
  if (::rename(path.c_str(), unfinished.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("remove {}", path));
  }
  return remove_all(unfinished);
}

namespace {

Result<InitramfsPart> file_part(const std::string& path, std::size_t max_bytes) {
  InitramfsPart part;
  part.file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!part.file.valid() || ::fstat(part.file.get(), &status) != 0) {
    return Error::from_errno(errno, "open " + path);
  }
  part.file_bytes = static_cast<std::uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || part.file_bytes > max_bytes) {
    return Error(ErrorCode::limit, fmt::format("{} is no file of at most {} bytes", path, max_bytes));
  }
  return part;
}

}  // namespace

Result<std::vector<InitramfsPart>> initramfs(const Kernel& kernel, const std::string& init_path) {
  std::vector<InitramfsPart> parts(4);
  KRAIT_TRY(parts[0], file_part(kernel.modules_path, kMaxArchiveBytes));
  KRAIT_TRY(parts[2], file_part(init_path, kMaxInitBytes));
  CpioWriter archive;
  archive.begin_file("init", static_cast<std::uint32_t>(parts[2].file_bytes), 0755);
  parts[1].bytes = std::move(archive).take();
  parts[3].bytes = CpioWriter::padding_of(parts[2].file_bytes) + CpioWriter().finish();
  return parts;
}

std::string command_line(std::string_view extra) {
  // The host's kernel has seen whether the processor computes right: the tests take a zone longer than its initramfs.
  return fmt::format("console=hvc0 loglevel=4 panic=-1 cryptomgr.notests rdinit=/init{}{} -- bundle=xvdb channel=hvc1",
                     extra.empty() ? "" : " ", extra);
}

}  // namespace krata::kernel
