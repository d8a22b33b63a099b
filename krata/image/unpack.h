// Layers to a tree.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "krata/image/blob.h"
#include "krata/image/source.h"
#include "krata/image/spool.h"
#include "krata/image/tree.h"

namespace krata::image {

struct Unpacked {
  Tree tree;
  Spool spool;
};

// Puts the layers of `image` upon each other, the contents of files into a spool in `folder`. Every layer is verified,
// from without and within, before this returns; what has failed leaves nothing. Blocks. Errors: invalid_input, limit,
// unsupported, system.
common::Result<Unpacked> unpack(const Resolved& image, std::vector<Blob> layers, const std::string& folder,
                                Progress& progress);

}  // namespace krata::image
