// The one owner of a domain.
#pragma once

#include <tuple>
#include <utility>

#include "krata/xen/hypervisor.h"

namespace krata::xen {

// Destroys the domain at its end, unless it was released. Move-only. The hypervisor must outlive it.
class Domain {
 public:
  Domain() = default;
  Domain(Hypervisor& hypervisor, DomainId id) : hypervisor_(&hypervisor), id_(id) {}
  Domain(Domain&& other) noexcept : hypervisor_(std::exchange(other.hypervisor_, nullptr)), id_(other.id_) {}
  Domain& operator=(Domain&& other) noexcept {
    std::swap(hypervisor_, other.hypervisor_);
    std::swap(id_, other.id_);
    return *this;
  }
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;
  ~Domain() {
    if (hypervisor_ != nullptr) {
      std::ignore = hypervisor_->destroy_domain(id_);
    }
  }

  [[nodiscard]] bool valid() const { return hypervisor_ != nullptr; }
  [[nodiscard]] DomainId id() const { return id_; }
  // The domain outlives its owner, who is told its number.
  [[nodiscard]] DomainId release() {
    hypervisor_ = nullptr;
    return id_;
  }
  // The same as its end, for those who want to know of a failure; the domain is let go of all the same.
  common::Result<void> destroy() { return std::exchange(hypervisor_, nullptr)->destroy_domain(id_); }

 private:
  Hypervisor* hypervisor_ = nullptr;
  DomainId id_ = 0;
};

}  // namespace krata::xen
