// Event channels: by /dev/xen/evtchn this process is told when another domain, or the hypervisor, has something.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "common/fd.h"
#include "common/result.h"
#include "krata/xen/types.h"

namespace krata::xen {

class EventDevice;

// One bound port. Unbinds at its end. Move-only; the device must outlive it.
class EventChannel {
 public:
  EventChannel() = default;
  EventChannel(EventChannel&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)), port_(std::exchange(other.port_, 0)) {}
  EventChannel& operator=(EventChannel&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(port_, other.port_);
    return *this;
  }
  EventChannel(const EventChannel&) = delete;
  EventChannel& operator=(const EventChannel&) = delete;
  ~EventChannel();

  [[nodiscard]] bool valid() const { return device_ != nullptr; }
  [[nodiscard]] Port port() const { return port_; }  // in this domain
  // Wakes the other end. Fails only where the other end is gone.
  common::Result<void> notify() const;

 private:
  friend class EventDevice;
  EventChannel(EventDevice& device, Port port) : device_(&device), port_(port) {}

  EventDevice* device_ = nullptr;
  Port port_ = 0;
};

// One open /dev/xen/evtchn. Never blocks. One thread. What is virtual tests stand in for.
class EventDevice {
 public:
  // Fails with not_found where the machine does not run on Xen.
  static common::Result<std::unique_ptr<EventDevice>> open();
  EventDevice(const EventDevice&) = delete;
  EventDevice& operator=(const EventDevice&) = delete;
  virtual ~EventDevice() = default;

  // To a port that `remote` has offered to this domain.
  virtual common::Result<EventChannel> bind(DomainId remote, Port remote_port);
  // Offers a port to `remote`.
  common::Result<EventChannel> offer(DomainId remote);
  // VIRQ_DOM_EXC of xen/xen.h: a domain has shut down or is gone. One process alone may have it.
  common::Result<EventChannel> bind_domain_exceptions();

  // From now on only ports of that domain can be bound: for good.
  common::Result<void> restrict_to(DomainId remote);

  // Readable (EPOLLIN) while an event waits.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Ports that had an event, each of which has no further one until unmask(): all that wait, or some of very many; fd()
  // stays readable then. Valid until the next call.
  common::Result<std::span<const Port>> take();
  // Call before looking at what the event is about, so that none is lost.
  common::Result<void> unmask(Port port);

 protected:
  explicit EventDevice(common::Fd fd) : fd_(std::move(fd)) {}
  EventChannel channel(Port port) { return {*this, port}; }
  virtual common::Result<void> notify(Port port);
  virtual void unbind(Port port);

 private:
  friend class EventChannel;

  common::Fd fd_;
  std::array<Port, 64> ports_{};
};

}  // namespace krata::xen
