// The ring by which the kernel of this domain, which is domain 0, asks xenstore.
#pragma once

#include "common/result.h"
#include "krata/xen/mapping.h"
#include "krata/xen/types.h"

namespace krata::xen {

struct OwnStore {
  Mapping page;
  Port port = 0;  // offered to this domain
};

// By /proc/xen/xsd_kva and /proc/xen/xsd_port. Fails with not_found where xenfs is not mounted on /proc/xen, or this is
// not domain 0.
common::Result<OwnStore> open_own_store();

}  // namespace krata::xen
