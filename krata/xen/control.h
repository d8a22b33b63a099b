// The hypervisor's control interface, domctl and sysctl, of whichever known version it has.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "krata/xen/privcmd.h"
#include "krata/xen/types.h"

struct xen_domctl;  // NOLINT(readability-identifier-naming): Xen's
struct xen_sysctl;  // NOLINT(readability-identifier-naming): Xen's

namespace krata::xen {

class Control {
 public:
  // Finds out the version: that of Xen 4.17 to 4.21. Fails as open_hypervisor() does.
  static common::Result<std::unique_ptr<Control>> open();

  [[nodiscard]] const Privcmd& privcmd() const { return *privcmd_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // "Xen 4.17"
  // Whether the hypervisor's createdomain has altp2m_opts, behind grant_opts, whatever the headers here have:
  // since 4.19.
  [[nodiscard]] bool has_altp2m() const;

  // A request with command, version and domain filled in, the rest zero.
  [[nodiscard]] common::Result<Shared<xen_domctl>> domctl(std::uint32_t command, DomainId domain) const;
  [[nodiscard]] common::Result<Shared<xen_sysctl>> sysctl(std::uint32_t command) const;
  // `what` is what an error calls it.
  common::Result<void> carry_out(const Shared<xen_domctl>& request, const char* what) const;
  common::Result<void> carry_out(const Shared<xen_sysctl>& request, const char* what) const;

 private:
  explicit Control(std::unique_ptr<Privcmd> privcmd) : privcmd_(std::move(privcmd)) {}
  common::Result<void> find_versions();
  [[nodiscard]] common::Error unknown_version() const;

  std::unique_ptr<Privcmd> privcmd_;
  std::uint32_t domctl_version_ = 0;
  std::uint32_t sysctl_version_ = 0;
  std::string name_;
};

}  // namespace krata::xen
