// Uses xenstore through a kernel's ring, and sees that no answer, event or transaction is lost.
#pragma once

#include <string>

#include "common/result.h"

namespace lab {

// By /dev/xen/xenbus, below data/ of this domain, until somebody makes data/stop there. Prints what it came to. Fails
// at the first thing that is not as it should be.
common::Result<void> exercise(const std::string& device);

}  // namespace lab
