#include "krata/xen/own_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "common/fd.h"
#include "common/file.h"

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

Result<Fd> open_file(const char* path, int flags) {
  Fd fd(::open(path, flags | O_CLOEXEC));
  if (!fd.valid()) {
    return Error::from_errno(
        errno, fmt::format("open {}: this must be domain 0 of Xen, with xenfs mounted on /proc/xen", path));
  }
  return fd;
}

}  // namespace

Result<OwnStore> open_own_store() {
  OwnStore own;
  KRAIT_TRY(const Fd page, open_file("/proc/xen/xsd_kva", O_RDWR));
  void* address = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, page.get(), 0);
  if (address == MAP_FAILED) {
    return Error::from_errno(errno, "map /proc/xen/xsd_kva");
  }
  own.page = Mapping(address, kPageBytes);
  KRAIT_TRY(const Fd port, open_file("/proc/xen/xsd_port", O_RDONLY));
  std::array<char, 32> text{};
  KRAIT_TRY(const std::size_t bytes, common::read_into(port.get(), text, "/proc/xen/xsd_port"));
  if (std::from_chars(text.data(), text.data() + bytes, own.port).ec != std::errc{}) {
    return Error(ErrorCode::unsupported, "/proc/xen/xsd_port holds no number");
  }
  return own;
}

}  // namespace krata::xen
