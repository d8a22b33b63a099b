#include "krata/xen/control.h"

#include <fmt/format.h>

#include <cerrno>

#define __XEN_TOOLS__ 1  // NOLINT(bugprone-reserved-identifier): Xen's
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/version.h>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Xen 4.17, 4.18, and 4.19 to 4.21. What krata uses of it is the same in them, but for altp2m_opts.
constexpr std::uint32_t kFirstDomctl = 0x15;
constexpr std::uint32_t kFirstWithAltp2m = 0x17;
constexpr std::uint32_t kLastDomctl = 0x17;
constexpr std::uint32_t kFirstSysctl = 0x15;  // Xen 4.17 to 4.20, and 0x16 of 4.21
constexpr std::uint32_t kLastSysctl = 0x16;

}  // namespace

Result<std::unique_ptr<Control>> Control::open() {
  KRAIT_TRY(auto privcmd, Privcmd::open());
  std::unique_ptr<Control> control(new Control(std::move(privcmd)));
  KRAIT_TRY(const std::int64_t version,
            control->privcmd_->call(__HYPERVISOR_xen_version, {XENVER_version}, "tell its version"));
  control->name_ = fmt::format("Xen {}.{}", version >> 16U, version & 0xffff);
  KRAIT_CHECK(control->find_versions());
  return control;
}

Error Control::unknown_version() const {
  return {ErrorCode::unsupported, name_ +
                                      " speaks another version of the control interface than krata knows: those of "
                                      "Xen 4.17 to 4.21"};
}

// A call with another version than the hypervisor's is refused with EACCES. Both questions change nothing.
Result<void> Control::find_versions() {
  const auto is_other = [](const auto& answer) { return !answer && answer.error().sys_errno() == EACCES; };
  Result<void> answer = unknown_version();
  for (domctl_version_ = kFirstDomctl; domctl_version_ <= kLastDomctl; ++domctl_version_) {
    KRAIT_TRY(const auto question, domctl(XEN_DOMCTL_getdomaininfo, 0));
    answer = carry_out(question, "tell of domain 0");
    if (!is_other(answer)) {
      break;
    }
  }
  if (is_other(answer)) {
    return unknown_version();
  }
  KRAIT_CHECK(std::move(answer));
  answer = unknown_version();
  for (sysctl_version_ = kFirstSysctl; sysctl_version_ <= kLastSysctl; ++sysctl_version_) {
    KRAIT_TRY(const auto question, sysctl(XEN_SYSCTL_physinfo));
    answer = carry_out(question, "tell of the machine");
    if (!is_other(answer)) {
      return answer;
    }
  }
  return unknown_version();
}

bool Control::has_altp2m() const { return domctl_version_ >= kFirstWithAltp2m; }

Result<Shared<xen_domctl>> Control::domctl(std::uint32_t command, DomainId domain) const {
  KRAIT_TRY(auto request, Shared<xen_domctl>::make(*privcmd_));
  request->cmd = command;
  request->interface_version = domctl_version_;
  request->domain = domain;
  return request;
}

Result<Shared<xen_sysctl>> Control::sysctl(std::uint32_t command) const {
  KRAIT_TRY(auto request, Shared<xen_sysctl>::make(*privcmd_));
  request->cmd = command;
  request->interface_version = sysctl_version_;
  return request;
}

Result<void> Control::carry_out(const Shared<xen_domctl>& request, const char* what) const {
  auto answer = privcmd_->call(__HYPERVISOR_domctl, {request.address()}, what);
  if (!answer) {
    return passed_on(answer, fmt::format("domain {}", request->domain));
  }
  return {};
}

Result<void> Control::carry_out(const Shared<xen_sysctl>& request, const char* what) const {
  KRAIT_CHECK(privcmd_->call(__HYPERVISOR_sysctl, {request.address()}, what));
  return {};
}

}  // namespace krata::xen
