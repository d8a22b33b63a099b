#include "krata/xen/grants.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <xen/xen.h>

#include <xen/grant_table.h>
#include <xen/sys/gntdev.h>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

// The kernel's request ends with an array of one entry; this is the same with room for all.
struct MapRequest {
  std::uint32_t count = 0;
  std::uint32_t pad = 0;
  std::uint64_t index = 0;
  std::array<ioctl_gntdev_grant_ref, kMaxMappedGrants> refs{};
};
static_assert(offsetof(MapRequest, refs) == offsetof(ioctl_gntdev_map_grant_ref, refs));

void unmap_range(int fd, std::uint64_t index, std::size_t pages) {
  ioctl_gntdev_unmap_grant_ref request{.index = index, .count = static_cast<std::uint32_t>(pages), .pad = 0};
  ::ioctl(fd, IOCTL_GNTDEV_UNMAP_GRANT_REF, &request);
}

ioctl_gntdev_grant_copy_segment segment_of(const GrantCopy& copy) {
  ioctl_gntdev_grant_copy_segment segment{};
  const bool is_from = copy.direction == GrantCopy::Direction::from_grant;
  auto& grant = is_from ? segment.source : segment.dest;
  auto& local = is_from ? segment.dest : segment.source;
  grant.foreign.ref = copy.ref;
  grant.foreign.offset = copy.offset;
  grant.foreign.domid = copy.domain;
  local.virt = copy.local.data();
  segment.len = static_cast<std::uint16_t>(copy.local.size());
  segment.flags = is_from ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
  return segment;
}

}  // namespace

GrantMapping::~GrantMapping() {
  if (device_ != nullptr) {
    ::munmap(address_, pages_ * kPageBytes);
    unmap_range(device_->fd_.get(), index_, pages_);
  }
}

Result<std::unique_ptr<GrantDevice>> GrantDevice::open() {
  Fd fd(::open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    return Error::from_errno(errno, "open /dev/xen/gntdev: it needs the module xen-gntdev on a host that runs on Xen");
  }
  return std::unique_ptr<GrantDevice>(new GrantDevice(std::move(fd)));
}

Result<GrantMapping> GrantDevice::map(DomainId domain, std::span<const GrantRef> refs, bool is_writable) {
  if (refs.empty() || refs.size() > kMaxMappedGrants) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("map {} grants at once: 1 to {}", refs.size(), kMaxMappedGrants));
  }
  MapRequest request{.count = static_cast<std::uint32_t>(refs.size())};
  std::ranges::transform(refs, request.refs.begin(),
                         [&](GrantRef ref) { return ioctl_gntdev_grant_ref{.domid = domain, .ref = ref}; });
  if (::ioctl(fd_.get(), IOCTL_GNTDEV_MAP_GRANT_REF, &request) != 0) {
    return Error::from_errno(errno, fmt::format("map {} grants of domain {}", refs.size(), domain));
  }
  void* address = ::mmap(nullptr, refs.size() * kPageBytes, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
                         MAP_SHARED, fd_.get(), static_cast<off_t>(request.index));
  if (address == MAP_FAILED) {
    const int error = errno;
    unmap_range(fd_.get(), request.index, refs.size());
    if (error == EINVAL) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("domain {} does not grant {}page {}", domain, is_writable ? "writing " : "", refs[0]));
    }
    return Error::from_errno(error, fmt::format("map grant {} of domain {}", refs[0], domain));
  }
  return mapping(request.index, static_cast<std::byte*>(address), refs.size());
}

Result<void> GrantDevice::copy(std::span<GrantCopy> copies) {
  std::vector<ioctl_gntdev_grant_copy_segment> segments;
  segments.reserve(copies.size());
  for (GrantCopy& copy : copies) {
    if (copy.offset > kPageBytes || copy.local.size() > kPageBytes - copy.offset) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("copy {} bytes at {} of a page of {}", copy.local.size(), copy.offset, kPageBytes));
    }
    copy.is_done = false;
    segments.push_back(segment_of(copy));
  }
  ioctl_gntdev_grant_copy request{.count = static_cast<unsigned>(segments.size()), .segments = segments.data()};
  if (!segments.empty() && ::ioctl(fd_.get(), IOCTL_GNTDEV_GRANT_COPY, &request) != 0) {
    return Error::from_errno(errno, "copy by grants");
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    copies[i].is_done = segments[i].status == GNTST_okay;
  }
  return {};
}

}  // namespace krata::xen
