#include "krata/xen/xen.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>

#include "krata/xen/control.h"

#define __XEN_TOOLS__ 1  // NOLINT(bugprone-reserved-identifier): Xen's
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

static_assert(kFirstReservedDomain == DOMID_FIRST_RESERVED);
static_assert(kConsoleGrant == GNTTAB_RESERVED_CONSOLE && kStoreGrant == GNTTAB_RESERVED_XENSTORE);
static_assert(kMaxVcpus == XEN_LEGACY_MAX_VCPUS);
static_assert(std::to_underlying(ShutdownReason::poweroff) == SHUTDOWN_poweroff);
static_assert(std::to_underlying(ShutdownReason::reboot) == SHUTDOWN_reboot);
static_assert(std::to_underlying(ShutdownReason::suspend) == SHUTDOWN_suspend);
static_assert(std::to_underlying(ShutdownReason::crash) == SHUTDOWN_crash);
static_assert(std::to_underlying(ShutdownReason::watchdog) == SHUTDOWN_watchdog);
static_assert(sizeof(DomainHandle) == sizeof(xen_domain_handle_t));

// "2=no emulation" (xen/arch-x86/cpuid.h): a domain reads the processor's clock itself. Where the processor does not
// promise that its clock runs evenly, as many virtual ones do not, the hypervisor would do it each time, so that the
// domain could go on on another host. These stay where they are.
constexpr std::uint32_t kNativeClock = 2;
constexpr std::size_t kListed = 64;  // domains asked for at a time
constexpr unsigned kLargeOrder = 9;  // extents of 2 MiB
constexpr std::uint64_t kLargePages = 1U << kLargeOrder;
constexpr std::size_t kSmallTogether = 1 << 16;  // pages asked for one by one

DomainInfo info_of(const xen_domctl_getdomaininfo& raw) {
  DomainInfo info;
  info.id = raw.domain;
  std::memcpy(info.handle.data(), raw.handle, info.handle.size());
  info.is_dying = (raw.flags & XEN_DOMINF_dying) != 0;
  info.is_paused = (raw.flags & XEN_DOMINF_paused) != 0;
  info.is_blocked = (raw.flags & XEN_DOMINF_blocked) != 0;
  info.is_running = (raw.flags & XEN_DOMINF_running) != 0;
  if ((raw.flags & XEN_DOMINF_shutdown) != 0) {
    info.shutdown = static_cast<ShutdownReason>((raw.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask);
  }
  info.memory_kib = raw.tot_pages * (kPageBytes / 1024);
  info.max_memory_kib = raw.max_pages * (kPageBytes / 1024);
  info.cpu_time_ns = raw.cpu_time;
  info.online_vcpus = raw.nr_online_vcpus;
  info.shared_info_frame = raw.shared_info_frame;
  return info;
}

// What the architecture has stands behind grant_opts, altp2m_opts where it is, vmtrace_size and cpupool_id.
void set_emulation(xen_domctl_createdomain& settings, std::uint32_t flags, bool has_altp2m) {
  const std::size_t at =
      offsetof(xen_domctl_createdomain, grant_opts) + (has_altp2m ? std::size_t{4} : 3) * sizeof(flags);
  std::memcpy(reinterpret_cast<std::byte*>(&settings) + at, &flags, sizeof(flags));
}

Error want_of_memory(DomainId domain, std::uint64_t pages, std::uint64_t wanted_pages) {
  constexpr std::uint64_t kKib = kPageBytes / 1024;
  return Error(ErrorCode::limit, fmt::format("the hypervisor has only {} of {} KiB of memory for domain {}: stop "
                                             "another zone, or give domain 0 less",
                                             pages * kKib, wanted_pages * kKib, domain));
}

class Xen : public Hypervisor {
 public:
  explicit Xen(std::unique_ptr<Control> control) : control_(std::move(control)) {}

  Result<DomainId> create_domain(const DomainSettings& settings) override;
  Result<void> destroy_domain(DomainId domain) override;
  Result<void> pause_domain(DomainId domain) override {
    return simple(XEN_DOMCTL_pausedomain, domain, "pause a domain");
  }
  Result<void> unpause_domain(DomainId domain) override {
    return simple(XEN_DOMCTL_unpausedomain, domain, "unpause a domain");
  }
  [[nodiscard]] Result<std::optional<DomainInfo>> domain_info(DomainId domain) const override;
  [[nodiscard]] Result<std::vector<DomainInfo>> domains() const override;
  Result<void> set_max_memory(DomainId domain, std::uint64_t kib) override;
  Result<std::vector<Frame>> populate(DomainId domain, std::uint64_t pages) override;
  Result<Mapping> map(DomainId domain, std::span<const Frame> frames) override {
    return control_->privcmd().map(domain, frames);
  }
  Result<Port> allocate_unbound_port(DomainId domain, DomainId remote) override;
  Result<void> seed_grants(DomainId domain, std::span<const Grant> grants) override;
  Result<void> write_hypercall_page(DomainId domain, Frame frame) override;
  Result<void> pin_page_table(DomainId domain, Frame highest_level) override;
  Result<void> prepare_shared_info(DomainId domain) override;
  Result<void> start_vcpu(DomainId domain, const VcpuStart& start) override;
  [[nodiscard]] const std::string& name() const override { return control_->name(); }

 private:
  [[nodiscard]] Result<void> check_free(DomainId domain, std::uint64_t pages) const;
  Result<void> simple(std::uint32_t command, DomainId domain, const char* what);
  [[nodiscard]] Result<std::vector<xen_domctl_getdomaininfo>> list(DomainId first, std::size_t count) const;
  Result<std::size_t> populate_some(DomainId domain, std::span<Frame> frames, unsigned order);

  std::unique_ptr<Control> control_;
};

Result<void> Xen::simple(std::uint32_t command, DomainId domain, const char* what) {
  KRAIT_TRY(const auto request, control_->domctl(command, domain));
  return control_->carry_out(request, what);
}

Result<DomainId> Xen::create_domain(const DomainSettings& settings) {
  KRAIT_TRY(const auto create, control_->domctl(XEN_DOMCTL_createdomain, 0));  // 0: the hypervisor chooses a number
  xen_domctl_createdomain& wanted = create->u.createdomain;
  std::memcpy(wanted.handle, settings.handle.data(), settings.handle.size());
  wanted.max_vcpus = settings.vcpus;
  wanted.max_evtchn_port = settings.max_event_ports;
  wanted.max_grant_frames = settings.max_grant_frames;
  wanted.max_maptrack_frames = settings.max_maptrack_frames;
  wanted.grant_opts = XEN_DOMCTL_GRANT_version(1);
  // A timer chip, with which Linux measures the processor's clock as it begins. Where there is none, its ports read as
  // all ones, and Linux reads them a hundred thousand times (pit_expect_msb in arch/x86/kernel/tsc.c), each time by way
  // of the hypervisor.
  set_emulation(wanted, XEN_X86_EMU_PIT, control_->has_altp2m());
  KRAIT_CHECK(control_->carry_out(create, "create a domain"));
  const DomainId domain = create->domain;
  const auto prepare = [&]() -> Result<void> {
    KRAIT_TRY(const auto vcpus, control_->domctl(XEN_DOMCTL_max_vcpus, domain));
    vcpus->u.max_vcpus.max = settings.vcpus;
    KRAIT_CHECK(control_->carry_out(vcpus, "make its CPUs"));
    KRAIT_TRY(const auto clock, control_->domctl(XEN_DOMCTL_settscinfo, domain));
    clock->u.tsc_info.tsc_mode = kNativeClock;
    KRAIT_CHECK(control_->carry_out(clock, "let it read the processor's clock"));
    return set_max_memory(domain, settings.max_memory_kib);
  };
  if (auto prepared = prepare(); !prepared) {
    std::ignore = destroy_domain(domain);
    return prepared.error();
  }
  return domain;
}

// The hypervisor does it piece by piece, and asks to be called again.
Result<void> Xen::destroy_domain(DomainId domain) {
  while (true) {
    auto destroyed = simple(XEN_DOMCTL_destroydomain, domain, "destroy it");
    if (destroyed || destroyed.error().sys_errno() != EAGAIN) {
      return destroyed;
    }
  }
}

Result<std::vector<xen_domctl_getdomaininfo>> Xen::list(DomainId first, std::size_t count) const {
  KRAIT_TRY(const auto question, control_->sysctl(XEN_SYSCTL_getdomaininfolist));
  KRAIT_TRY(const auto found, Shared<xen_domctl_getdomaininfo>::make(control_->privcmd(), count));
  xen_sysctl_getdomaininfolist& wanted = question->u.getdomaininfolist;
  wanted.first_domain = first;
  wanted.max_domains = static_cast<std::uint32_t>(count);
  set_xen_guest_handle(wanted.buffer, found.get());
  KRAIT_CHECK(control_->carry_out(question, "list the domains"));
  return std::vector(found.get(), found.get() + std::min<std::size_t>(wanted.num_domains, count));
}

Result<std::optional<DomainInfo>> Xen::domain_info(DomainId domain) const {
  KRAIT_TRY(const auto found, list(domain, 1));
  if (found.empty() || found.front().domain != domain) {
    return std::optional<DomainInfo>();
  }
  return std::optional(info_of(found.front()));
}

Result<std::vector<DomainInfo>> Xen::domains() const {
  std::vector<DomainInfo> all;
  DomainId first = 0;
  while (true) {
    KRAIT_TRY(const auto some, list(first, kListed));
    std::ranges::transform(some, std::back_inserter(all), info_of);
    if (some.size() < kListed) {
      return all;
    }
    first = static_cast<DomainId>(some.back().domain + 1);
  }
}

Result<void> Xen::set_max_memory(DomainId domain, std::uint64_t kib) {
  KRAIT_TRY(const auto request, control_->domctl(XEN_DOMCTL_max_mem, domain));
  request->u.max_mem.max_memkb = kib;
  return control_->carry_out(request, "say how much memory it may have");
}

// Fills `frames`, an extent's first frame for each, which begin with the pages that they are for. Returns how many
// there was memory for.
Result<std::size_t> Xen::populate_some(DomainId domain, std::span<Frame> frames, unsigned order) {
  KRAIT_TRY(const auto extents, Shared<Frame>::make(control_->privcmd(), frames.size()));
  KRAIT_TRY(const auto request, Shared<xen_memory_reservation>::make(control_->privcmd()));
  std::ranges::copy(frames, extents.get());
  set_xen_guest_handle(request->extent_start, reinterpret_cast<xen_pfn_t*>(extents.get()));
  request->nr_extents = frames.size();
  request->extent_order = order;
  request->domid = domain;
  KRAIT_TRY(
      const std::int64_t done,
      control_->privcmd().call(__HYPERVISOR_memory_op, {XENMEM_populate_physmap, request.address()}, "give memory"));
  std::ranges::copy(std::span(extents.get(), static_cast<std::size_t>(done)), frames.begin());
  return static_cast<std::size_t>(done);
}

// Asked for first: a domain for which it is not enough would take it from others for seconds, to give it back.
Result<void> Xen::check_free(DomainId domain, std::uint64_t pages) const {
  KRAIT_TRY(const auto machine, control_->sysctl(XEN_SYSCTL_physinfo));
  KRAIT_CHECK(control_->carry_out(machine, "tell of the machine"));
  const std::uint64_t free_pages = machine->u.physinfo.free_pages;
  return free_pages >= pages ? Result<void>() : want_of_memory(domain, free_pages, pages);
}

Result<std::vector<Frame>> Xen::populate(DomainId domain, std::uint64_t pages) {
  KRAIT_CHECK(check_free(domain, pages));
  std::vector<Frame> all(pages);
  std::vector<Frame> large;
  for (Pfn first = 0; first + kLargePages <= pages; first += kLargePages) {
    large.push_back(first);
  }
  std::size_t in_large = 0;
  if (!large.empty()) {
    KRAIT_TRY(in_large, populate_some(domain, large, kLargeOrder));
  }
  for (std::size_t extent = 0; extent < in_large; ++extent) {
    for (std::uint64_t page = 0; page < kLargePages; ++page) {
      all[extent * kLargePages + page] = large[extent] + page;
    }
  }
  const auto rest = std::span(all).subspan(in_large * kLargePages);
  std::iota(rest.begin(), rest.end(), in_large * kLargePages);
  std::size_t in_small = 0;
  while (in_small < rest.size()) {
    const auto some = rest.subspan(in_small, std::min(rest.size() - in_small, kSmallTogether));
    KRAIT_TRY(const std::size_t done, populate_some(domain, some, 0));
    in_small += done;
    if (done < some.size()) {
      break;
    }
  }
  if (in_small != rest.size()) {
    return want_of_memory(domain, pages - (rest.size() - in_small), pages);
  }
  return all;
}

Result<Port> Xen::allocate_unbound_port(DomainId domain, DomainId remote) {
  KRAIT_TRY(const auto request, Shared<evtchn_alloc_unbound>::make(control_->privcmd()));
  request->dom = domain;
  request->remote_dom = remote;
  KRAIT_CHECK(control_->privcmd().call(__HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound, request.address()},
                                       "make an event channel"));
  return request->port;
}

Result<void> Xen::seed_grants(DomainId domain, std::span<const Grant> grants) {
  KRAIT_TRY(const Mapping table, control_->privcmd().map_grant_table(domain));
  auto* entries = reinterpret_cast<grant_entry_v1*>(table.bytes().data());
  for (const Grant& grant : grants) {
    grant_entry_v1& entry = entries[grant.ref];
    entry.domid = 0;
    entry.frame = static_cast<std::uint32_t>(grant.frame);
    // What makes it a grant is written last.
    std::atomic_ref(entry.flags).store(GTF_permit_access, std::memory_order_release);
  }
  return {};
}

Result<void> Xen::write_hypercall_page(DomainId domain, Frame frame) {
  KRAIT_TRY(const auto request, control_->domctl(XEN_DOMCTL_hypercall_init, domain));
  request->u.hypercall_init.gmfn = frame;
  return control_->carry_out(request, "write its hypercall page");
}

Result<void> Xen::pin_page_table(DomainId domain, Frame highest_level) {
  KRAIT_TRY(const auto request, Shared<mmuext_op>::make(control_->privcmd()));
  request->cmd = MMUEXT_PIN_L4_TABLE;
  request->arg1.mfn = highest_level;
  KRAIT_CHECK(control_->privcmd().call(__HYPERVISOR_mmuext_op, {request.address(), 1, 0, domain},
                                       "take a page table for its own"));
  return {};
}

Result<void> Xen::prepare_shared_info(DomainId domain) {
  KRAIT_TRY(const auto info, domain_info(domain));
  if (!info) {
    return Error(ErrorCode::not_found, fmt::format("domain {} is gone", domain));
  }
  const std::array<Frame, 1> frames{info->shared_info_frame};
  KRAIT_TRY(const Mapping page, map(domain, frames));
  std::memset(page.bytes().data(), 0, page.bytes().size());
  auto* shared = reinterpret_cast<shared_info*>(page.bytes().data());
  for (vcpu_info& vcpu : shared->vcpu_info) {
    vcpu.evtchn_upcall_mask = 1;
  }
  return {};
}

Result<void> Xen::start_vcpu(DomainId domain, const VcpuStart& start) {
  constexpr std::uint64_t kInterruptFlag = 1U << 9U;
  KRAIT_TRY(const auto context, Shared<vcpu_guest_context>::make(control_->privcmd()));
  context->flags = VGCF_in_kernel | VGCF_online;
  context->user_regs.rip = start.entry;
  context->user_regs.rsp = start.stack;
  context->user_regs.rsi = start.start_info;
  context->user_regs.rflags = kInterruptFlag;
  context->user_regs.cs = FLAT_KERNEL_CS;
  context->user_regs.ss = FLAT_KERNEL_SS;
  context->kernel_ss = FLAT_KERNEL_SS;
  context->kernel_sp = start.stack;
  context->ctrlreg[3] = start.page_table * kPageBytes;
  KRAIT_TRY(const auto request, control_->domctl(XEN_DOMCTL_setvcpucontext, domain));
  set_xen_guest_handle(request->u.vcpucontext.ctxt, context.get());
  return control_->carry_out(request, "set its first CPU's registers");
}

}  // namespace

Result<std::unique_ptr<Hypervisor>> open_hypervisor() {
  KRAIT_TRY(auto control, Control::open());
  return std::make_unique<Xen>(std::move(control));
}

}  // namespace krata::xen
