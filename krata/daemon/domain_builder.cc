#include "krata/daemon/domain_builder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "common/fd.h"
#include "common/file.h"
#include "krata/boot/payload.h"
#include "krata/kernel/store.h"
#include "krata/xen/mapping.h"

namespace krata::daemon {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMaxKernelBytes = std::size_t{256} << 20U;
constexpr const char* kElfName = "vmlinux";

// An unpacked kernel: a file that is mapped, or where there is no room for one, memory.
struct Elf {
  Fd file;
  xen::Mapping mapping;
  std::string memory;

  [[nodiscard]] std::string_view bytes() const {
    const auto mapped = mapping.bytes();
    return mapping.valid() ? std::string_view(reinterpret_cast<const char*>(mapped.data()), mapped.size())
                           : std::string_view(memory);
  }
};

Result<Elf> map_elf(const std::string& path) {
  Elf elf;
  elf.file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!elf.file.valid() || ::fstat(elf.file.get(), &status) != 0 || status.st_size == 0) {
    return Error::from_errno(errno, "open " + path);
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, elf.file.get(), 0);
  if (address == MAP_FAILED) {
    return Error::from_errno(errno, "map " + path);
  }
  elf.mapping = xen::Mapping(address, bytes);
  return elf;
}

// Unpacked once, by the first zone that boots it. The file goes with the kernel's folder: it is reached by that folder,
// whose name another one may have got meanwhile.
Result<Elf> elf_of(const kernel::Kernel& kernel) {
  const Fd folder(::open(kernel.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    return Error::from_errno(errno, "open " + kernel.folder);
  }
  const std::string place = fmt::format("/proc/self/fd/{}/", folder.get());
  if (auto elf = map_elf(place + kElfName)) {
    return elf;
  }
  Elf elf;
  KRAIT_TRY(auto image, common::read_file(place + kernel::kImageName, kMaxKernelBytes),
            "read the kernel " + kernel.version);
  KRAIT_TRY(elf.memory, boot::kernel_elf(std::move(image)), "read the kernel " + kernel.version);
  [[maybe_unused]] const auto kept = common::write_file(place + kElfName, elf.memory, 0600);
  return elf;
}

}  // namespace

Result<boot::BuiltDomain> build_domain(xen::Hypervisor& hypervisor, const Paths& paths,
                                       const model::ZoneRecord& record) {
  const kernel::KernelStore kernels(paths.kernels());
  KRAIT_TRY(const auto kernel, kernels.find(record.spec.kernel), "find a kernel; add one with krata kernel add");
  KRAIT_TRY(const auto elf, elf_of(kernel));
  KRAIT_TRY(const auto initramfs, kernel::initramfs(kernel, paths.program("krata-init")));
  const model::Resources& resources = record.spec.resources;
  boot::BuildRequest request;
  request.kernel = elf.bytes();
  request.kernel_file = elf.file.get();
  for (const kernel::InitramfsPart& part : initramfs) {
    request.initramfs.push_back({.bytes = part.bytes, .file = part.file.get(), .file_bytes = part.file_bytes});
  }
  request.command_line = kernel::command_line("");
  request.memory_kib = std::uint64_t{resources.memory_mib} * 1024;
  request.vcpus = resources.cpus;
  request.handle = record.id.bytes;
  return boot::build(hypervisor, request);
}

}  // namespace krata::daemon
