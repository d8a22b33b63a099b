// The hypervisor below this machine, by the kernel's /dev/xen.
#pragma once

#include <memory>

#include "common/result.h"
#include "krata/xen/hypervisor.h"

namespace krata::xen {

// Opens /dev/xen/privcmd and /dev/xen/hypercall, and finds out which of the versions of the control interface that this
// program knows (Xen 4.16 to 4.22) the hypervisor has. Fails with not_found (this machine does not run on Xen, or a
// module is missing), permission, and unsupported (another version: the message names those known).
common::Result<std::unique_ptr<Hypervisor>> open_hypervisor();

}  // namespace krata::xen
