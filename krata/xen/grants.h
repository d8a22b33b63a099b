// Grants: pages that another domain lets this one map, or copy from and to, by /dev/xen/gntdev.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "common/fd.h"
#include "common/result.h"
#include "krata/xen/types.h"

namespace krata::xen {

class GrantDevice;

// Pages of another domain, mapped behind each other. Lets go of them at its end. Move-only; the device must outlive it.
// The other domain goes on writing to them: copy what is to be judged, judge the copy. Once mapped they stay, also when
// the domain dies.
class GrantMapping {
 public:
  GrantMapping() = default;
  GrantMapping(GrantMapping&& other) noexcept { swap(other); }
  GrantMapping& operator=(GrantMapping&& other) noexcept {
    swap(other);
    return *this;
  }
  GrantMapping(const GrantMapping&) = delete;
  GrantMapping& operator=(const GrantMapping&) = delete;
  ~GrantMapping();

  [[nodiscard]] bool valid() const { return device_ != nullptr; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {address_, pages_ * kPageBytes}; }

 private:
  friend class GrantDevice;
  GrantMapping(GrantDevice& device, std::uint64_t index, std::byte* address, std::size_t pages)
      : device_(&device), index_(index), address_(address), pages_(pages) {}
  void swap(GrantMapping& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(index_, other.index_);
    std::swap(address_, other.address_);
    std::swap(pages_, other.pages_);
  }

  GrantDevice* device_ = nullptr;
  std::uint64_t index_ = 0;
  std::byte* address_ = nullptr;
  std::size_t pages_ = 0;
};

// One copy between this process's memory and a granted page. `offset` + local.size() is at most kPageBytes.
struct GrantCopy {
  enum class Direction : std::uint8_t { from_grant, to_grant };
  Direction direction = Direction::from_grant;
  DomainId domain = 0;
  GrantRef ref = 0;
  std::uint16_t offset = 0;  // in the granted page
  std::span<std::byte> local;
  bool is_done = false;  // set by copy(): false where the hypervisor refused this one
};

// One open /dev/xen/gntdev. One thread. What is virtual tests stand in for.
class GrantDevice {
 public:
  // Fails with not_found where the machine does not run on Xen.
  static common::Result<std::unique_ptr<GrantDevice>> open();
  GrantDevice(const GrantDevice&) = delete;
  GrantDevice& operator=(const GrantDevice&) = delete;
  virtual ~GrantDevice() = default;

  // At most kMaxMappedGrants together. Fails as the hypervisor refuses: invalid_input for a grant that is none, is
  // another's, or may not be written.
  virtual common::Result<GrantMapping> map(DomainId domain, std::span<const GrantRef> refs, bool is_writable = true);
  // Carries out all of them, and says in each whether it was done: a grant that was taken back, or of a domain that is
  // gone, fails alone. Fails itself only where a copy is out of its page's bounds (invalid_input), with nothing done.
  common::Result<void> copy(std::span<GrantCopy> copies);

 protected:
  explicit GrantDevice(common::Fd fd) : fd_(std::move(fd)) {}
  // `index`: as the device calls it. The mapping unmaps `address`.
  GrantMapping mapping(std::uint64_t index, std::byte* address, std::size_t pages) {
    return {*this, index, address, pages};
  }

 private:
  friend class GrantMapping;

  common::Fd fd_;
};

inline constexpr std::size_t kMaxMappedGrants = 64;

}  // namespace krata::xen
