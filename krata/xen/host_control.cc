#include "krata/xen/host_control.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "krata/xen/privcmd.h"

#define __XEN_TOOLS__ 1
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

static_assert(kNowhere == XEN_INVALID_CORE_ID && kNowhere == XEN_INVALID_SOCKET_ID && kNowhere == XEN_INVALID_NODE_ID);

// Of Xen 4.17 to 4.21; what is asked here is the same in all of them (xen.cc).
constexpr std::uint32_t kFirstSysctl = 0x15;
constexpr std::uint32_t kLastSysctl = 0x16;
constexpr std::uint32_t kFirstDomctl = 0x15;
constexpr std::uint32_t kLastDomctl = 0x17;

constexpr std::uint32_t kMaxCpus = 4096;

class Control final : public HostControl {
 public:
  explicit Control(std::unique_ptr<Privcmd> privcmd) : privcmd_(std::move(privcmd)) {}

  // A call with another version than the hypervisor's is refused with EACCES.
  Result<void> find_versions() {
    for (sysctl_version_ = kFirstSysctl; sysctl_version_ <= kLastSysctl; ++sysctl_version_) {
      const auto answer = info();
      if (answer) {
        return {};
      }
      if (answer.error().sys_errno() != EACCES) {
        return answer.error();
      }
    }
    return Error(ErrorCode::unsupported,
                 "the hypervisor speaks another version of the control interface than krata knows");
  }

  [[nodiscard]] Result<HostInfo> info() const override {
    KRAIT_TRY(const auto question, sysctl(XEN_SYSCTL_physinfo));
    KRAIT_CHECK(privcmd_->call(__HYPERVISOR_sysctl, {question.address()}, "tell of the machine"));
    const xen_sysctl_physinfo& found = question->u.physinfo;
    constexpr std::uint64_t kKib = kPageBytes / 1024;
    return HostInfo{.cpus = found.nr_cpus,
                    .threads_per_core = found.threads_per_core,
                    .cores_per_socket = found.cores_per_socket,
                    .nodes = found.nr_nodes,
                    .cpu_khz = found.cpu_khz,
                    .total_kib = found.total_pages * kKib,
                    .free_kib = (found.free_pages + found.scrub_pages) * kKib};
  }

  [[nodiscard]] Result<std::vector<CpuPlace>> cpus() const override {
    KRAIT_TRY(const auto question, sysctl(XEN_SYSCTL_cputopoinfo));
    KRAIT_TRY(const auto found, Shared<xen_sysctl_cputopo>::make(*privcmd_, kMaxCpus));
    xen_sysctl_cputopoinfo& wanted = question->u.cputopoinfo;
    wanted.num_cpus = kMaxCpus;
    set_xen_guest_handle(wanted.cputopo, found.get());
    KRAIT_CHECK(privcmd_->call(__HYPERVISOR_sysctl, {question.address()}, "tell of the CPUs"));
    std::vector<CpuPlace> places;
    for (std::uint32_t i = 0; i < std::min(wanted.num_cpus, kMaxCpus); ++i) {
      const xen_sysctl_cputopo& place = found.get()[i];
      places.push_back({.core = place.core, .socket = place.socket, .node = place.node});
    }
    return places;
  }

  [[nodiscard]] Result<std::string> console_log() const override {
    KRAIT_TRY(const auto question, sysctl(XEN_SYSCTL_readconsole));
    KRAIT_TRY(const auto text, Shared<char>::make(*privcmd_, kMaxConsoleBytes));
    xen_sysctl_readconsole& wanted = question->u.readconsole;
    wanted.count = kMaxConsoleBytes;
    set_xen_guest_handle(wanted.buffer, text.get());
    KRAIT_CHECK(privcmd_->call(__HYPERVISOR_sysctl, {question.address()}, "read the hypervisor's log"));
    return std::string(text.get(), std::min<std::size_t>(wanted.count, kMaxConsoleBytes));
  }

  Result<void> share_cpus(DomainId domain, std::uint32_t weight, std::uint32_t cap) override {
    for (std::uint32_t version = kFirstDomctl; version <= kLastDomctl; ++version) {
      KRAIT_TRY(const auto question, Shared<xen_domctl>::make(*privcmd_));
      question->cmd = XEN_DOMCTL_scheduler_op;
      question->interface_version = version;
      question->domain = domain;
      xen_domctl_scheduler_op& wanted = question->u.scheduler_op;
      wanted.sched_id = XEN_SCHEDULER_CREDIT2;
      wanted.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
      wanted.u.credit2.weight = static_cast<std::uint16_t>(weight);
      wanted.u.credit2.cap = static_cast<std::uint16_t>(cap);
      auto answer = privcmd_->call(__HYPERVISOR_domctl, {question.address()}, "share CPUs out");
      if (answer) {
        return {};
      }
      if (answer.error().sys_errno() == EINVAL) {
        return Error(ErrorCode::unsupported, "weight and cap need Xen's scheduler credit2 (sched=credit2)");
      }
      if (answer.error().sys_errno() != EACCES) {
        return answer.error();
      }
    }
    return Error(ErrorCode::unsupported,
                 "the hypervisor speaks another version of the control interface than krata knows");
  }

 private:
  [[nodiscard]] Result<Shared<xen_sysctl>> sysctl(std::uint32_t command) const {
    KRAIT_TRY(auto made, Shared<xen_sysctl>::make(*privcmd_));
    made->cmd = command;
    made->interface_version = sysctl_version_;
    return made;
  }

  std::unique_ptr<Privcmd> privcmd_;
  std::uint32_t sysctl_version_ = 0;
};

}  // namespace

Result<std::unique_ptr<HostControl>> open_host_control() {
  KRAIT_TRY(auto privcmd, Privcmd::open());
  auto control = std::make_unique<Control>(std::move(privcmd));
  KRAIT_CHECK(control->find_versions());
  return control;
}

}  // namespace krata::xen
