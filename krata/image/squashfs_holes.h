// Files of which the library has seen only what is no hole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

struct sqfs_inode_generic_t;  // NOLINT(readability-identifier-naming): libsquashfs's

namespace krata::image {

// Whole blocks of a file that are zeros.
struct Hole {
  std::uint64_t first = 0;
  std::uint64_t blocks = 0;
};

struct FileSize {
  std::uint64_t size_bytes = 0;
  std::size_t block_bytes = 0;
};

// The inode of the whole file, to be given to sqfs_free(); null where there is no memory. `inode` is that of the file
// without its holes, which are in order.
sqfs_inode_generic_t* with_holes(const sqfs_inode_generic_t& inode, const std::vector<Hole>& holes,
                                 const FileSize& size);

}  // namespace krata::image
