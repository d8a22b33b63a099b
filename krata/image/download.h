// Blobs over the network.
#pragma once

#include <span>
#include <vector>

#include "common/result.h"
#include "krata/image/keeper.h"
#include "krata/image/registry.h"
#include "krata/image/source.h"

namespace krata::image {

// Brings all of them into the keeper, each once, some at a time, and opens them in the order given. The first failure
// ends the others. `progress` is called from several threads, one at a time. Blocks. Errors: as open_registry says.
common::Result<std::vector<Blob>> download(Registry& registry, std::span<const Descriptor> descriptors, Keeper& keeper,
                                           Progress& progress);

}  // namespace krata::image
