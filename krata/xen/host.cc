#include "krata/xen/host.h"

#include <algorithm>
#include <cerrno>

#include "krata/xen/control.h"

#define __XEN_TOOLS__ 1  // NOLINT(bugprone-reserved-identifier): Xen's
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/sysctl.h>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kLogBytes = 64 << 10;
constexpr Port kMaxPorts = 4096;  // looked at: the most without FIFO channels (xen/event_channel.h)
constexpr std::uint64_t kKibOfPage = kPageBytes / 1024;

std::optional<std::uint32_t> known(std::uint32_t number, std::uint32_t unknown) {
  return number == unknown ? std::nullopt : std::optional(number);
}

class XenHost : public Host {
 public:
  explicit XenHost(std::unique_ptr<Control> control) : control_(std::move(control)) {}

  [[nodiscard]] Result<HostInfo> info() const override {
    KRAIT_TRY(const auto request, control_->sysctl(XEN_SYSCTL_physinfo));
    KRAIT_CHECK(control_->carry_out(request, "tell of the machine"));
    const xen_sysctl_physinfo& raw = request->u.physinfo;
    return HostInfo{.cpus = raw.nr_cpus,
                    .cpu_khz = raw.cpu_khz,
                    .memory_kib = raw.total_pages * kKibOfPage,
                    .free_memory_kib = raw.free_pages * kKibOfPage,
                    .dirty_memory_kib = raw.scrub_pages * kKibOfPage};
  }

  [[nodiscard]] Result<std::vector<CpuPlace>> cpu_places() const override {
    KRAIT_TRY(const HostInfo machine, info());
    KRAIT_TRY(const auto found, Shared<xen_sysctl_cputopo>::make(control_->privcmd(), machine.cpus));
    KRAIT_TRY(const auto request, control_->sysctl(XEN_SYSCTL_cputopoinfo));
    request->u.cputopoinfo.num_cpus = machine.cpus;
    set_xen_guest_handle(request->u.cputopoinfo.cputopo, found.get());
    KRAIT_CHECK(control_->carry_out(request, "tell where its CPUs are"));
    std::vector<CpuPlace> places;
    for (std::uint32_t cpu = 0; cpu < std::min(machine.cpus, request->u.cputopoinfo.num_cpus); ++cpu) {
      const xen_sysctl_cputopo& raw = found.get()[cpu];
      places.push_back({.core = known(raw.core, XEN_INVALID_CORE_ID),
                        .socket = known(raw.socket, XEN_INVALID_SOCKET_ID),
                        .node = known(raw.node, XEN_INVALID_NODE_ID)});
    }
    return places;
  }

  [[nodiscard]] Result<std::string> log() const override {
    KRAIT_TRY(const auto text, Shared<char>::make(control_->privcmd(), kLogBytes));
    KRAIT_TRY(const auto request, control_->sysctl(XEN_SYSCTL_readconsole));
    set_xen_guest_handle(request->u.readconsole.buffer, text.get());
    request->u.readconsole.count = kLogBytes;
    KRAIT_CHECK(control_->carry_out(request, "tell what it has logged"));
    return std::string(text.get(), std::min<std::size_t>(request->u.readconsole.count, kLogBytes));
  }

  [[nodiscard]] Result<CpuShare> cpu_share(DomainId domain) const override {
    KRAIT_TRY(const auto request, scheduling(domain, XEN_DOMCTL_SCHEDOP_getinfo));
    KRAIT_CHECK(control_->carry_out(request, "tell its share of the CPUs"));
    return CpuShare{.weight = request->u.scheduler_op.u.credit2.weight, .cap = request->u.scheduler_op.u.credit2.cap};
  }

  Result<void> set_cpu_share(DomainId domain, const CpuShare& share) override {
    KRAIT_TRY(const auto request, scheduling(domain, XEN_DOMCTL_SCHEDOP_putinfo));
    request->u.scheduler_op.u.credit2.weight = share.weight;
    request->u.scheduler_op.u.credit2.cap = share.cap;
    return control_->carry_out(request, "set its share of the CPUs");
  }

  [[nodiscard]] Result<Emulation> emulation(DomainId domain) const override {
    KRAIT_TRY(const auto info, control_->domctl(XEN_DOMCTL_getdomaininfo, domain));
    KRAIT_CHECK(control_->carry_out(info, "tell of the domain"));
    KRAIT_TRY(const auto clock, control_->domctl(XEN_DOMCTL_gettscinfo, domain));
    KRAIT_CHECK(control_->carry_out(clock, "tell of its clock"));
    return Emulation{.devices = info->u.getdomaininfo.arch_config.emulation_flags,
                     .clock_mode = clock->u.tsc_info.tsc_mode};
  }

  [[nodiscard]] Result<std::uint32_t> ports_in_use(DomainId domain) const override {
    KRAIT_TRY(const auto request, Shared<evtchn_status>::make(control_->privcmd()));
    std::uint32_t count = 0;
    for (Port port = 1; port < kMaxPorts; ++port) {
      request->dom = domain;
      request->port = port;
      const auto answer = control_->privcmd().call(__HYPERVISOR_event_channel_op, {EVTCHNOP_status, request.address()},
                                                   "tell of an event channel");
      if (!answer && answer.error().sys_errno() == EINVAL) {
        return count;  // ports are made some at a time, and these are all
      }
      if (!answer) {
        return answer.error();
      }
      count += request->status != EVTCHNSTAT_closed ? 1 : 0;
    }
    return count;
  }

 private:
  [[nodiscard]] Result<Shared<xen_domctl>> scheduling(DomainId domain, std::uint32_t what) const {
    KRAIT_TRY(const auto machine, control_->sysctl(XEN_SYSCTL_sched_id));
    KRAIT_CHECK(control_->carry_out(machine, "tell which scheduler it runs"));
    if (machine->u.sched_id.sched_id != XEN_SCHEDULER_CREDIT2) {
      return Error(ErrorCode::unsupported,
                   "shares of CPUs need Xen's scheduler credit2, and this host runs another one");
    }
    KRAIT_TRY(auto request, control_->domctl(XEN_DOMCTL_scheduler_op, domain));
    request->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    request->u.scheduler_op.cmd = what;
    return request;
  }

  std::unique_ptr<Control> control_;
};

}  // namespace

Result<std::unique_ptr<Host>> open_host() {
  KRAIT_TRY(auto control, Control::open());
  return std::make_unique<XenHost>(std::move(control));
}

}  // namespace krata::xen
