// A folder of image-spec's "Image Layout".
#pragma once

#include <memory>

#include "common/result.h"
#include "krata/image/reference.h"
#include "krata/image/source.h"

namespace krata::image {

// Reads oci-layout and index.json at once. Errors: invalid_input, limit, permission, unsupported (another version).
common::Result<std::unique_ptr<Source>> open_layout(const LayoutName& name);

}  // namespace krata::image
