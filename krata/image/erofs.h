// A tree as an EROFS file system.
#pragma once

#include "common/result.h"
#include "krata/image/spool.h"
#include "krata/image/tree.h"

namespace krata::image {

// Writes the tree to the empty file `fd`, which stays the caller's. Blocks. The same tree gives the same bytes.
// Errors: system (the disk), unsupported, limit.
common::Result<void> write_erofs(const Tree& tree, const Spool& spool, int fd);

}  // namespace krata::image
