// What this folder asks of Xen's devices once they are open: for programs that may ask nothing else (common/confine).
#pragma once

#include <array>
#include <cstddef>

namespace krata::xen {

// Requests of ioctl(2) of event and grant devices (xen/sys/evtchn.h, xen/sys/gntdev.h).
inline constexpr std::size_t kDeviceRequests = 7;
std::array<unsigned long, kDeviceRequests> device_requests();
// The same, and hypercalls (xen/sys/privcmd.h).
std::array<unsigned long, kDeviceRequests + 1> device_requests_and_hypercalls();

}  // namespace krata::xen
