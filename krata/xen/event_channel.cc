#include "krata/xen/event_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <tuple>

#include <xen/xen.h>

#include <xen/sys/evtchn.h>

namespace krata::xen {

using common::Error;
using common::Fd;
using common::Result;

EventChannel::~EventChannel() {
  if (device_ != nullptr) {
    device_->unbind(port_);
  }
}

Result<void> EventChannel::notify() const { return device_->notify(port_); }

void EventDevice::unbind(Port port) {
  ioctl_evtchn_unbind request{.port = port};
  ::ioctl(fd_.get(), IOCTL_EVTCHN_UNBIND, &request);
}

Result<void> EventDevice::notify(Port port) {
  ioctl_evtchn_notify request{.port = port};
  if (::ioctl(fd_.get(), IOCTL_EVTCHN_NOTIFY, &request) != 0) {
    return Error::from_errno(errno, fmt::format("notify by event channel {}", port));
  }
  return {};
}

Result<std::unique_ptr<EventDevice>> EventDevice::open() {
  Fd fd(::open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    return Error::from_errno(errno, "open /dev/xen/evtchn: it needs the module xen-evtchn on a host that runs on Xen");
  }
  return std::unique_ptr<EventDevice>(new EventDevice(std::move(fd)));
}

Result<EventChannel> EventDevice::bind(DomainId remote, Port remote_port) {
  ioctl_evtchn_bind_interdomain request{.remote_domain = remote, .remote_port = remote_port};
  const int port = ::ioctl(fd_.get(), IOCTL_EVTCHN_BIND_INTERDOMAIN, &request);
  if (port < 0) {
    return Error::from_errno(errno, fmt::format("bind to event channel {} of domain {}", remote_port, remote));
  }
  return channel(static_cast<Port>(port));
}

Result<EventChannel> EventDevice::offer(DomainId remote) {
  ioctl_evtchn_bind_unbound_port request{.remote_domain = remote};
  const int port = ::ioctl(fd_.get(), IOCTL_EVTCHN_BIND_UNBOUND_PORT, &request);
  if (port < 0) {
    return Error::from_errno(errno, fmt::format("offer an event channel to domain {}", remote));
  }
  return channel(static_cast<Port>(port));
}

Result<EventChannel> EventDevice::bind_domain_exceptions() {
  ioctl_evtchn_bind_virq request{.virq = VIRQ_DOM_EXC};
  const int port = ::ioctl(fd_.get(), IOCTL_EVTCHN_BIND_VIRQ, &request);
  if (port < 0) {
    return Error::from_errno(
        errno, "be told of domains that end: only one process may be, so stop any other program that serves xenstore");
  }
  return channel(static_cast<Port>(port));
}

Result<void> EventDevice::restrict_to(DomainId remote) {
  ioctl_evtchn_restrict_domid request{.domid = remote};
  if (::ioctl(fd_.get(), IOCTL_EVTCHN_RESTRICT_DOMID, &request) != 0) {
    return Error::from_errno(errno, fmt::format("use event channels of domain {} alone", remote));
  }
  return {};
}

Result<std::span<const Port>> EventDevice::take() {
  const ssize_t got = ::read(fd_.get(), ports_.data(), sizeof(ports_));
  if (got < 0 && errno != EAGAIN && errno != EINTR) {
    return Error::from_errno(errno, "read /dev/xen/evtchn");
  }
  return std::span<const Port>(ports_).first(got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(Port));
}

Result<void> EventDevice::unmask(Port port) {
  if (::write(fd_.get(), &port, sizeof(port)) != sizeof(port)) {
    return Error::from_errno(errno, fmt::format("unmask event channel {}", port));
  }
  return {};
}

}  // namespace krata::xen
