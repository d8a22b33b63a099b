// A tree as a squashfs file system.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "krata/image/spool.h"
#include "krata/image/tree.h"

namespace krata::image {

// Whether squashfs can hold the tree. Pure. Errors: unsupported (extended attributes of other kinds than user, trusted
// and security), limit (more than 65,535 owners).
common::Result<void> check_squashfs(const Tree& tree);

// Writes the tree, which check_squashfs() has passed, to the empty file `fd`, which stays the caller's, blocks
// compressed by zstd on every CPU. Blocks. The same tree gives the same bytes. Times are whole seconds from 1970 to
// 2106; what lies outside becomes the nearer end.
//
// Errors: system (the disk).
common::Result<void> write_squashfs(const Tree& tree, const Spool& spool, int fd);

}  // namespace krata::image
