// What an agent that does not run any more left in the kernel.
#pragma once

#include "common/result.h"
#include "krait/enforce/enforcer.h"

namespace krait::enforce {

// Removes it for the interface of the files, as Enforcer::remove() does. Where that was only guarded, which the options
// say or the pins remember, nothing but the data path; else the interface must be one that krait made. False: nothing
// was there. Fails, having touched nothing, while an agent keeps the interface.
common::Result<bool> remove_left_over(const EnforcerOptions& options);

// Denies everything and takes the peers away, as Enforcer::drain() does. False: no programs were there.
common::Result<bool> drain_left_over(const EnforcerOptions& options);

}  // namespace krait::enforce
