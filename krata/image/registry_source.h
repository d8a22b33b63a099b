// An image in a registry.
#pragma once

#include <memory>

#include "common/result.h"
#include "krata/image/keeper.h"
#include "krata/image/registry.h"
#include "krata/image/source.h"

namespace krata::image {

// Layers are downloaded by some threads at a time into `keeper`, which must outlive the source; a transfer that breaks
// off goes on where it was. Errors, besides the registry's: invalid_input (no such image, more or fewer bytes than were
// said, other ones than the digest says), unavailable.
common::Result<std::unique_ptr<Source>> open_registry(const Reference& reference, const RegistrySettings& settings,
                                                      Keeper& keeper);

}  // namespace krata::image
