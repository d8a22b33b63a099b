// What this folder asks of Xen's devices once they are open: for programs that may ask nothing else (common/confine).
#pragma once

#include <array>
#include <cstddef>

namespace krata::xen {

// Requests of ioctl(2) of event and grant devices (xen/sys/evtchn.h, xen/sys/gntdev.h).
inline constexpr std::size_t kDeviceRequests = 7;
std::array<unsigned long, kDeviceRequests> device_requests();
// Hypercalls (xen/sys/privcmd.h): any of them, for the kernel does not look at which.
std::array<unsigned long, 1> hypercall_requests();

}  // namespace krata::xen
