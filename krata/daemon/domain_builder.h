// A zone's domain out of its kernel's files.
#pragma once

#include "common/result.h"
#include "krata/boot/build.h"
#include "krata/daemon/paths.h"
#include "krata/model/zone.h"
#include "krata/xen/hypervisor.h"

namespace krata::daemon {

// Reads, unpacks and copies, which is most of a launch's work on the host: blocks for some 100 ms. The domain is
// paused. Fails with not_found where there is no such kernel, and as boot::build() does.
common::Result<boot::BuiltDomain> build_domain(xen::Hypervisor& hypervisor, const Paths& paths,
                                               const model::ZoneRecord& record);

}  // namespace krata::daemon
