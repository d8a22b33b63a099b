#include "krata/xen/requests.h"

#include <sys/ioctl.h>

#include <cstdint>

#include <xen/xen.h>

#include <xen/grant_table.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>

namespace krata::xen {

std::array<unsigned long, kDeviceRequests> device_requests() {
  return {IOCTL_EVTCHN_BIND_INTERDOMAIN, IOCTL_EVTCHN_BIND_VIRQ,       IOCTL_EVTCHN_UNBIND,    IOCTL_EVTCHN_NOTIFY,
          IOCTL_GNTDEV_MAP_GRANT_REF,    IOCTL_GNTDEV_UNMAP_GRANT_REF, IOCTL_GNTDEV_GRANT_COPY};
}

std::array<unsigned long, 1> hypercall_requests() { return {IOCTL_PRIVCMD_HYPERCALL}; }

}  // namespace krata::xen
