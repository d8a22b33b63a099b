#include "krata/xen/privcmd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

using std::size_t;  // xen/sys/privcmd.h takes it for granted

#include <xen/xen.h>

#include <xen/memory.h>
#include <xen/sys/privcmd.h>

namespace krata::xen {

using common::Error;
using common::Fd;
using common::Result;

namespace {

Result<Fd> open_device(const char* path) {
  Fd fd(::open(path, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    return Error::from_errno(errno, fmt::format("open {}: krata needs a host that was started on Xen, with the module "
                                                "xen-privcmd loaded, and root's rights",
                                                path));
  }
  return fd;
}

Result<Mapping> map_device(int fd, std::size_t bytes) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    return Error::from_errno(errno, fmt::format("map {} bytes of a Xen device", bytes));
  }
  return Mapping(address, bytes);
}

}  // namespace

Result<std::unique_ptr<Privcmd>> Privcmd::open() {
  KRAIT_TRY(Fd calls, open_device("/dev/xen/privcmd"));
  KRAIT_TRY(Fd buffers, open_device("/dev/xen/hypercall"));
  return std::unique_ptr<Privcmd>(new Privcmd(std::move(calls), std::move(buffers)));
}

Result<Mapping> Privcmd::buffer(std::size_t bytes) const {
  const std::size_t pages = (bytes + kPageBytes - 1) / kPageBytes;
  return map_device(buffers_.get(), pages * kPageBytes);
}

Result<std::int64_t> Privcmd::call(std::uint64_t number, const std::array<std::uint64_t, 5>& arguments,
                                   const char* what) const {
  privcmd_hypercall request{.op = number, .arg = {}};
  std::ranges::copy(arguments, std::begin(request.arg));
  const int result = ::ioctl(calls_.get(), IOCTL_PRIVCMD_HYPERCALL, &request);
  if (result < 0) {
    return Error::from_errno(errno, fmt::format("hypervisor: {}", what));
  }
  return result;
}

Result<Mapping> Privcmd::map(DomainId domain, std::span<const Frame> frames) const {
  KRAIT_TRY(Mapping mapping, map_device(calls_.get(), frames.size() * kPageBytes));
  static_assert(sizeof(Frame) == sizeof(xen_pfn_t));
  std::vector<int> errors(frames.size());
  privcmd_mmapbatch_v2 request{};
  request.num = static_cast<unsigned>(frames.size());
  request.dom = domain;
  request.addr = reinterpret_cast<std::uint64_t>(mapping.bytes().data());
  request.arr = reinterpret_cast<const xen_pfn_t*>(frames.data());
  request.err = errors.data();
  const int result = ::ioctl(calls_.get(), IOCTL_PRIVCMD_MMAPBATCH_V2, &request);
  const auto failed = std::ranges::find_if(errors, [](int error) { return error != 0; });
  if (result < 0 || failed != errors.end()) {
    return Error::from_errno(failed != errors.end() ? -*failed : errno,
                             fmt::format("map {} frames of domain {}", frames.size(), domain));
  }
  return mapping;
}

Result<Mapping> Privcmd::map_grant_table(DomainId domain) const {
  KRAIT_TRY(Mapping mapping, map_device(calls_.get(), kPageBytes));
  privcmd_mmap_resource request{};
  request.dom = domain;
  request.type = XENMEM_resource_grant_table;
  request.id = XENMEM_resource_grant_table_id_shared;
  request.num = 1;
  request.addr = reinterpret_cast<std::uint64_t>(mapping.bytes().data());
  if (::ioctl(calls_.get(), IOCTL_PRIVCMD_MMAP_RESOURCE, &request) != 0) {
    return Error::from_errno(errno, fmt::format("map the grant table of domain {}", domain));
  }
  return mapping;
}

}  // namespace krata::xen
