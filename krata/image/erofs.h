// A tree as an EROFS file system.
#pragma once

#include "common/result.h"
#include "krata/image/spool.h"
#include "krata/image/tree.h"

namespace krata::image {

// Writes the tree to the empty file `fd`, which stays the caller's: not compressed, small files within their inodes,
// holes as holes, times with nanoseconds. Blocks. The same tree gives the same bytes. Kernels from 5.15 on read it.
//
// Not by mkfs.erofs: Debian 12's (1.5) takes owners, devices and attributes from the host's file system alone, where
// only root can make them, and the tree of an image never is on the host's file system.
//
// Errors: system (the disk), unsupported (attributes without a number in EROFS), limit.
common::Result<void> write_erofs(const Tree& tree, const Spool& spool, int fd);

}  // namespace krata::image
