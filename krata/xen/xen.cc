#include "krata/xen/xen.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "krata/xen/privcmd.h"

#define __XEN_TOOLS__ 1
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

// The control interface's versions of Xen 4.17, 4.18 and 4.19 to 4.21. What krata uses of it is the same in them: the
// one difference, altp2m_opts in createdomain since 4.19, stands in the midst of members that are all zero here.
constexpr std::uint32_t kFirstDomctl = 0x15;
constexpr std::uint32_t kLastDomctl = 0x17;
constexpr std::uint32_t kFirstSysctl = 0x15;  // Xen 4.17 to 4.20, and 0x16 of 4.21
constexpr std::uint32_t kLastSysctl = 0x16;

constexpr std::size_t kListed = 64;  // domains asked for at a time
constexpr unsigned kLargeOrder = 9;  // extents of 2 MiB
constexpr std::uint64_t kLargePages = 1U << kLargeOrder;

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

class Xen : public Hypervisor {
 public:
  static Result<std::unique_ptr<Hypervisor>> open();

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
  Result<Mapping> map(DomainId domain, std::span<const Frame> frames) override { return privcmd_->map(domain, frames); }
  Result<Port> allocate_unbound_port(DomainId domain, DomainId remote) override;
  Result<void> seed_grants(DomainId domain, std::span<const Grant> grants) override;
  Result<void> write_hypercall_page(DomainId domain, Frame frame) override;
  Result<void> pin_page_table(DomainId domain, Frame highest_level) override;
  Result<void> prepare_shared_info(DomainId domain) override;
  Result<void> start_vcpu(DomainId domain, const VcpuStart& start) override;
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  using Control = Shared<xen_domctl>;

  explicit Xen(std::unique_ptr<Privcmd> privcmd) : privcmd_(std::move(privcmd)) {}
  Result<void> find_versions();
  [[nodiscard]] Result<Control> control(std::uint32_t command, DomainId domain) const;
  Result<void> carry_out(const Control& control, const char* what) const;
  Result<void> simple(std::uint32_t command, DomainId domain, const char* what);
  [[nodiscard]] Result<std::vector<xen_domctl_getdomaininfo>> list(DomainId first, std::size_t count) const;
  Result<std::size_t> populate_some(DomainId domain, std::span<Frame> frames, unsigned order);

  std::unique_ptr<Privcmd> privcmd_;
  std::uint32_t domctl_version_ = 0;
  std::uint32_t sysctl_version_ = 0;
  std::string name_;
};

Result<std::unique_ptr<Hypervisor>> Xen::open() {
  KRAIT_TRY(auto privcmd, Privcmd::open());
  std::unique_ptr<Xen> xen(new Xen(std::move(privcmd)));
  KRAIT_TRY(const std::int64_t version,
            xen->privcmd_->call(__HYPERVISOR_xen_version, {XENVER_version}, "tell its version"));
  xen->name_ = fmt::format("Xen {}.{}", version >> 16U, version & 0xffff);
  KRAIT_CHECK(xen->find_versions());
  return xen;
}

// A call with another version than the hypervisor's is refused with EACCES. Both questions change nothing.
Result<void> Xen::find_versions() {
  for (std::uint32_t version = kFirstDomctl; version <= kLastDomctl && domctl_version_ == 0; ++version) {
    KRAIT_TRY(auto question, Control::make(*privcmd_));
    question->cmd = XEN_DOMCTL_getdomaininfo;
    question->interface_version = version;
    const auto answer = privcmd_->call(__HYPERVISOR_domctl, {question.address()}, "tell of domain 0");
    if (answer) {
      domctl_version_ = version;
    } else if (answer.error().sys_errno() != EACCES) {
      return answer.error();
    }
  }
  for (sysctl_version_ = kFirstSysctl; sysctl_version_ <= kLastSysctl && domctl_version_ != 0; ++sysctl_version_) {
    const auto answer = list(0, 1);
    if (answer) {
      return {};
    }
    if (answer.error().sys_errno() != EACCES) {
      return answer.error();
    }
  }
  return Error(ErrorCode::unsupported,
               fmt::format("{} speaks another version of the control interface than krata knows: those of Xen 4.17 to "
                           "4.21",
                           name_));
}

Result<Xen::Control> Xen::control(std::uint32_t command, DomainId domain) const {
  KRAIT_TRY(Control made, Control::make(*privcmd_));
  made->cmd = command;
  made->interface_version = domctl_version_;
  made->domain = domain;
  return made;
}

Result<void> Xen::carry_out(const Control& control, const char* what) const {
  auto answer = privcmd_->call(__HYPERVISOR_domctl, {control.address()}, what);
  if (!answer) {
    return passed_on(answer, fmt::format("domain {}", control->domain));
  }
  return {};
}

Result<void> Xen::simple(std::uint32_t command, DomainId domain, const char* what) {
  KRAIT_TRY(const Control request, control(command, domain));
  return carry_out(request, what);
}

Result<DomainId> Xen::create_domain(const DomainSettings& settings) {
  KRAIT_TRY(const Control create, control(XEN_DOMCTL_createdomain, 0));  // 0: the hypervisor chooses a number
  xen_domctl_createdomain& wanted = create->u.createdomain;
  std::memcpy(wanted.handle, settings.handle.data(), settings.handle.size());
  wanted.max_vcpus = settings.vcpus;
  wanted.max_evtchn_port = settings.max_event_ports;
  wanted.max_grant_frames = settings.max_grant_frames;
  wanted.max_maptrack_frames = settings.max_maptrack_frames;
  wanted.grant_opts = XEN_DOMCTL_GRANT_version(1);
  KRAIT_CHECK(carry_out(create, "create a domain"));
  const DomainId domain = create->domain;
  const auto prepare = [&]() -> Result<void> {
    KRAIT_TRY(const Control vcpus, control(XEN_DOMCTL_max_vcpus, domain));
    vcpus->u.max_vcpus.max = settings.vcpus;
    KRAIT_CHECK(carry_out(vcpus, "make its CPUs"));
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
  KRAIT_TRY(const auto question, Shared<xen_sysctl>::make(*privcmd_));
  KRAIT_TRY(const auto found, Shared<xen_domctl_getdomaininfo>::make(*privcmd_, count));
  question->cmd = XEN_SYSCTL_getdomaininfolist;
  question->interface_version = sysctl_version_;
  xen_sysctl_getdomaininfolist& wanted = question->u.getdomaininfolist;
  wanted.first_domain = first;
  wanted.max_domains = static_cast<std::uint32_t>(count);
  set_xen_guest_handle(wanted.buffer, found.get());
  KRAIT_CHECK(privcmd_->call(__HYPERVISOR_sysctl, {question.address()}, "list the domains"));
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
  KRAIT_TRY(const Control request, control(XEN_DOMCTL_max_mem, domain));
  request->u.max_mem.max_memkb = kib;
  return carry_out(request, "say how much memory it may have");
}

// Fills `frames`, an extent's first frame for each, which begin with the pages that they are for. Returns how many
// there was memory for.
Result<std::size_t> Xen::populate_some(DomainId domain, std::span<Frame> frames, unsigned order) {
  KRAIT_TRY(const auto extents, Shared<Frame>::make(*privcmd_, frames.size()));
  KRAIT_TRY(const auto request, Shared<xen_memory_reservation>::make(*privcmd_));
  std::ranges::copy(frames, extents.get());
  set_xen_guest_handle(request->extent_start, reinterpret_cast<xen_pfn_t*>(extents.get()));
  request->nr_extents = frames.size();
  request->extent_order = order;
  request->domid = domain;
  KRAIT_TRY(const std::int64_t done,
            privcmd_->call(__HYPERVISOR_memory_op, {XENMEM_populate_physmap, request.address()}, "give memory"));
  std::ranges::copy(std::span(extents.get(), static_cast<std::size_t>(done)), frames.begin());
  return static_cast<std::size_t>(done);
}

Result<std::vector<Frame>> Xen::populate(DomainId domain, std::uint64_t pages) {
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
  for (std::size_t i = 0; i < rest.size(); ++i) {
    rest[i] = in_large * kLargePages + i;
  }
  std::size_t in_small = 0;
  if (!rest.empty()) {
    KRAIT_TRY(in_small, populate_some(domain, rest, 0));
  }
  if (in_small != rest.size()) {
    return Error(ErrorCode::limit, fmt::format("the hypervisor has only {} of {} KiB of memory for domain {}: stop "
                                               "another zone, or give domain 0 less",
                                               (pages - (rest.size() - in_small)) * (kPageBytes / 1024),
                                               pages * (kPageBytes / 1024), domain));
  }
  return all;
}

Result<Port> Xen::allocate_unbound_port(DomainId domain, DomainId remote) {
  KRAIT_TRY(const auto request, Shared<evtchn_alloc_unbound>::make(*privcmd_));
  request->dom = domain;
  request->remote_dom = remote;
  KRAIT_CHECK(privcmd_->call(__HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound, request.address()},
                             "make an event channel"));
  return request->port;
}

Result<void> Xen::seed_grants(DomainId domain, std::span<const Grant> grants) {
  KRAIT_TRY(const Mapping table, privcmd_->map_grant_table(domain));
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
  KRAIT_TRY(const Control request, control(XEN_DOMCTL_hypercall_init, domain));
  request->u.hypercall_init.gmfn = frame;
  return carry_out(request, "write its hypercall page");
}

Result<void> Xen::pin_page_table(DomainId domain, Frame highest_level) {
  KRAIT_TRY(const auto request, Shared<mmuext_op>::make(*privcmd_));
  request->cmd = MMUEXT_PIN_L4_TABLE;
  request->arg1.mfn = highest_level;
  KRAIT_CHECK(
      privcmd_->call(__HYPERVISOR_mmuext_op, {request.address(), 1, 0, domain}, "take a page table for its own"));
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
  KRAIT_TRY(const auto context, Shared<vcpu_guest_context>::make(*privcmd_));
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
  KRAIT_TRY(const Control request, control(XEN_DOMCTL_setvcpucontext, domain));
  set_xen_guest_handle(request->u.vcpucontext.ctxt, context.get());
  return carry_out(request, "set its first CPU's registers");
}

}  // namespace

Result<std::unique_ptr<Hypervisor>> open_hypervisor() { return Xen::open(); }

}  // namespace krata::xen
