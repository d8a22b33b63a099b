// The source of a name, with all that it needs.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "krata/image/keeper.h"
#include "krata/image/reference.h"
#include "krata/image/registry.h"
#include "krata/image/source.h"

namespace krata::image {

// Layers of a registry go to `keeper`, which must outlive the source; what has to be unpacked to be read goes to files
// without a name in `scratch_folder`. Blocks. Errors: as open_layout, open_archive and open_registry.
common::Result<std::unique_ptr<Source>> open_source(const SourceName& name, const RegistrySettings& settings,
                                                    Keeper& keeper, const std::string& scratch_folder);

}  // namespace krata::image
