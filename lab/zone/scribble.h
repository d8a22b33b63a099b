// Writes into a zone's store ring what its kernel would never write.
#pragma once

#include <string>

#include "common/result.h"
#include "krata/xen/types.h"

namespace lab {

// `kind`: jump (more requests than the ring holds), back (fewer than were taken), taken (more answers taken than
// given), long (a request longer than any may be), own (the store's own indices, which it must not go by).
common::Result<void> scribble(krata::xen::DomainId domain, const std::string& kind);

}  // namespace lab
