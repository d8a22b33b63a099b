#include "krata/boot/build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <tuple>
#include <vector>

#include "krata/boot/image.h"
#include "krata/boot/layout.h"
#include "krata/boot/tables.h"
#include "krata/xen/start_info.h"

namespace krata::boot {

using common::Error;
using common::ErrorCode;
using common::Result;
using xen::Frame;
using xen::kPageBytes;

namespace {

constexpr std::uint64_t kKibOfPage = kPageBytes / 1024;
constexpr std::uint64_t kMaxMemoryKib = std::uint64_t{1} << 30U;  // 1 TiB

Result<void> check(const BuildRequest& request) {
  if (request.command_line.size() > xen::kMaxCommandLineBytes || request.command_line.contains('\0')) {
    return Error(ErrorCode::invalid_input, fmt::format("a kernel command line has at most {} bytes, none of them nul",
                                                       xen::kMaxCommandLineBytes));
  }
  if (request.vcpus == 0 || request.vcpus > xen::kMaxVcpus) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("a zone has 1 to {} CPUs, not {}", xen::kMaxVcpus, request.vcpus));
  }
  if (request.memory_kib > kMaxMemoryKib || request.max_memory_kib > kMaxMemoryKib) {
    return Error(ErrorCode::limit, fmt::format("a zone has at most {} GiB of memory", kMaxMemoryKib >> 20U));
  }
  return {};
}

Result<void> read_at(int file, std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return got < 0 ? Error::from_errno(errno, "read its file")
                     : Error(ErrorCode::invalid_input, "its file has become shorter");
    }
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

// Writes into the memory of a domain that is being built, and maps no longer than that.
class Writer {
 public:
  Writer(xen::Hypervisor& hypervisor, xen::DomainId domain, std::span<const Frame> frames)
      : hypervisor_(hypervisor), domain_(domain), frames_(frames) {}

  // Zeroes the pages, and puts `bytes` at their begin.
  Result<void> put(const Range& range, std::string_view bytes) const {
    if (range.pages == 0) {
      return {};
    }
    KRAIT_TRY(const auto mapping, hypervisor_.map(domain_, frames_.subspan(range.first, range.pages)));
    std::ranges::copy(std::as_bytes(std::span(bytes)), mapping.bytes().begin());
    std::ranges::fill(mapping.bytes().subspan(bytes.size()), std::byte{0});
    return {};
  }

  // The same of all parts, one behind the other.
  Result<void> put_parts(const Range& range, std::span<const Part> parts) const {
    if (range.pages == 0) {
      return {};
    }
    KRAIT_TRY(const auto mapping, hypervisor_.map(domain_, frames_.subspan(range.first, range.pages)));
    auto left = mapping.bytes();
    for (const Part& part : parts) {
      const auto place = left.first(part.size());
      if (part.file < 0) {
        std::memcpy(place.data(), part.bytes.data(), place.size());
      } else {
        KRAIT_CHECK(read_at(part.file, 0, place));
      }
      left = left.subspan(place.size());
    }
    std::ranges::fill(left, std::byte{0});
    return {};
  }

  // From `file`, where there is one, straight into the domain: pages of this process's own for that many bytes cost
  // more than all else that is done here.
  Result<void> put_kernel(const Range& range, const BuildRequest& request, std::span<const Segment> segments) const {
    KRAIT_TRY(const auto mapping, hypervisor_.map(domain_, frames_.subspan(range.first, range.pages)));
    const auto memory = mapping.bytes();
    std::uint64_t done = 0;
    for (const Segment& segment : segments) {
      const std::uint64_t at = segment.address - range.first * kPageBytes;
      std::ranges::fill(memory.subspan(done, at - done), std::byte{0});
      const auto place = memory.subspan(at, segment.bytes.size());
      if (request.kernel_file < 0) {
        std::memcpy(place.data(), segment.bytes.data(), place.size());
      } else {
        const auto offset = static_cast<std::uint64_t>(segment.bytes.data() - request.kernel.data());
        KRAIT_CHECK(read_at(request.kernel_file, offset, place));
      }
      done = at + segment.bytes.size();
    }
    std::ranges::fill(memory.subspan(done), std::byte{0});
    return {};
  }

 private:
  xen::Hypervisor& hypervisor_;
  xen::DomainId domain_;
  std::span<const Frame> frames_;
};

template <typename T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::uint64_t bytes_of(const std::vector<Part>& parts) {
  std::uint64_t bytes = 0;
  for (const Part& part : parts) {
    bytes += part.size();
  }
  return bytes;
}

xen::StartInfo start_info_of(const Layout& layout, const BuildRequest& request, const BuiltDomain& built,
                             Frame shared_info) {
  return {.pages = layout.pages,
          .shared_info = shared_info,
          .store = built.store_frame,
          .store_port = built.store_port,
          .console = built.console_frame,
          .console_port = built.console_port,
          .page_table = layout.address_of(layout.tables.first),
          .page_table_pages = layout.tables.pages,
          .p2m = layout.p2m_address,
          .p2m_first = layout.p2m.first,
          .p2m_pages = layout.p2m.pages + layout.p2m_tables.pages,
          .initramfs = layout.initramfs.first,
          .initramfs_bytes = bytes_of(request.initramfs),
          .command_line = request.command_line};
}

// Everything but the domain's kernel and initramfs: what depends on where its memory is.
Result<void> fill(const Writer& writer, const Layout& layout, std::span<const Frame> frames,
                  std::string_view start_info) {
  const Tables tables = make_tables(layout, frames);
  const std::vector<Frame> list(frames.begin(), frames.end());
  KRAIT_CHECK(writer.put({.first = layout.start_info, .pages = 1}, start_info));
  KRAIT_CHECK(writer.put({.first = layout.store, .pages = 1}, {}));
  KRAIT_CHECK(writer.put({.first = layout.console, .pages = 1}, {}));
  KRAIT_CHECK(writer.put(layout.tables, bytes_of(tables.kernel)));
  KRAIT_CHECK(writer.put(layout.p2m, bytes_of(list)));
  return writer.put(layout.p2m_tables, bytes_of(tables.p2m));
}

Result<Frame> shared_info_frame(xen::Hypervisor& hypervisor, xen::DomainId domain) {
  KRAIT_TRY(const auto info, hypervisor.domain_info(domain));
  if (!info) {
    return Error(ErrorCode::not_found, fmt::format("domain {} went while it was being built", domain));
  }
  return info->shared_info_frame;
}

Result<void> populate(xen::Hypervisor& hypervisor, const BuildRequest& request, const KernelImage& kernel,
                      const Layout& layout, BuiltDomain& built) {
  const xen::DomainId domain = built.domain.id();
  KRAIT_TRY(const auto frames, hypervisor.populate(domain, layout.pages));
  built.store_frame = frames[layout.store];
  built.console_frame = frames[layout.console];
  KRAIT_TRY(built.store_port, hypervisor.allocate_unbound_port(domain, 0));
  KRAIT_TRY(built.console_port, hypervisor.allocate_unbound_port(domain, 0));
  KRAIT_TRY(const Frame shared_info, shared_info_frame(hypervisor, domain));

  const Writer writer(hypervisor, domain, frames);
  KRAIT_CHECK(writer.put_kernel(layout.kernel, request, kernel.segments), "put the kernel into its place");
  KRAIT_CHECK(writer.put_parts(layout.initramfs, request.initramfs), "put the initramfs into its place");
  KRAIT_CHECK(fill(writer, layout, frames, xen::start_info_bytes(start_info_of(layout, request, built, shared_info))));
  if (kernel.hypercall_page) {
    KRAIT_CHECK(hypervisor.write_hypercall_page(domain, frames[*kernel.hypercall_page / kPageBytes]));
  }
  KRAIT_CHECK(hypervisor.prepare_shared_info(domain));
  const std::array<xen::Grant, 2> grants{{{.ref = xen::kConsoleGrant, .frame = built.console_frame},
                                          {.ref = xen::kStoreGrant, .frame = built.store_frame}}};
  KRAIT_CHECK(hypervisor.seed_grants(domain, grants));
  const Frame page_table = frames[layout.tables.first];
  KRAIT_CHECK(hypervisor.pin_page_table(domain, page_table));
  return hypervisor.start_vcpu(domain, {.entry = kernel.entry,
                                        .stack = layout.address_of(layout.stack + 1),
                                        .start_info = layout.address_of(layout.start_info),
                                        .page_table = page_table});
}

}  // namespace

Result<BuiltDomain> build(xen::Hypervisor& hypervisor, const BuildRequest& request) {
  KRAIT_CHECK(check(request));
  KRAIT_TRY(const KernelImage kernel, parse_kernel(request.kernel));
  KRAIT_TRY(const Layout layout, plan_layout(kernel, bytes_of(request.initramfs), request.memory_kib / kKibOfPage));
  xen::DomainSettings settings;
  settings.handle = request.handle;
  settings.vcpus = request.vcpus;
  settings.max_memory_kib = std::max(request.memory_kib, request.max_memory_kib);
  KRAIT_TRY(const xen::DomainId domain, hypervisor.create_domain(settings));
  BuiltDomain built;
  built.domain = xen::Domain(hypervisor, domain);
  KRAIT_CHECK(populate(hypervisor, request, kernel, layout, built), "build a domain");
  return built;
}

}  // namespace krata::boot
