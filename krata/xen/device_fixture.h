// For tests: event channels and grants without a hypervisor. A zone is what the test makes of them.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <utility>

#include "krata/xen/event_channel.h"
#include "krata/xen/grants.h"

namespace krata::xen {

// Whoever is notified runs at once. Every port can be bound, and is called here as there.
class TestEvents final : public EventDevice {
 public:
  static std::unique_ptr<TestEvents> create() {
    std::array<int, 2> ends{};
    return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0
               ? std::unique_ptr<TestEvents>(new TestEvents(common::Fd(ends[0]), common::Fd(ends[1])))
               : nullptr;
  }

  common::Result<EventChannel> bind(DomainId /*remote*/, Port remote_port) override { return channel(remote_port); }

  std::function<void(Port)> on_notify = [](Port /*port*/) {};

 private:
  TestEvents(common::Fd own, common::Fd zones) : EventDevice(std::move(own)), zones_(std::move(zones)) {}
  common::Result<void> notify(Port port) override {
    on_notify(port);
    return {};
  }
  void unbind(Port /*port*/) override {}

  common::Fd zones_;  // nothing comes by it
};

// Each domain grants one page, whatever it is asked for.
class TestGrants final : public GrantDevice {
 public:
  TestGrants() : GrantDevice(common::Fd()), memory_(::memfd_create("grants", MFD_CLOEXEC)), page_(map_page()) {}
  ~TestGrants() override { ::munmap(page_, kPageBytes); }

  common::Result<GrantMapping> map(DomainId /*domain*/, std::span<const GrantRef> /*refs*/,
                                   bool /*is_writable*/ = true) override {
    return mapping(0, map_page(), 1);
  }

  // As the zone sees it.
  [[nodiscard]] std::span<std::byte> page() { return {page_, kPageBytes}; }

 private:
  [[nodiscard]] std::byte* map_page() const {
    [[maybe_unused]] const int sized = ::ftruncate(memory_.get(), kPageBytes);
    return static_cast<std::byte*>(::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0));
  }

  common::Fd memory_;
  std::byte* page_;
};

}  // namespace krata::xen
