#include "krata/image/squashfs_holes.h"

#include <sqfs/inode.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace krata::image {

// A hole is a zero in the list of the blocks' sizes, for each block, and takes no room (squashfs 4.0 format, "Regular
// Files"); where the stored blocks begin stays the same.
sqfs_inode_generic_t* with_holes(const sqfs_inode_generic_t& inode, const std::vector<Hole>& holes,
                                 const FileSize& size) {
  std::uint64_t left_out = 0;
  for (const Hole& hole : holes) {
    left_out += hole.blocks;
  }
  const std::size_t list_bytes = (sqfs_inode_get_file_block_count(&inode) + left_out) * sizeof(sqfs_u32);
  auto* made = static_cast<sqfs_inode_generic_t*>(std::calloc(1, sizeof(sqfs_inode_generic_t) + list_bytes));
  if (made == nullptr) {
    return nullptr;
  }
  std::memcpy(made, &inode, sizeof(sqfs_inode_generic_t));
  made->payload_bytes_available = made->payload_bytes_used = static_cast<sqfs_u32>(list_bytes);
  const sqfs_u32* from = inode.extra;
  std::uint64_t at = 0;
  for (const Hole& hole : holes) {
    std::copy_n(from, hole.first - at, made->extra + at);
    from += hole.first - at;
    at = hole.first + hole.blocks;
  }
  std::copy(from, inode.extra + sqfs_inode_get_file_block_count(&inode), made->extra + at);
  sqfs_inode_make_extended(made);
  made->data.file_ext.file_size = size.size_bytes;
  made->data.file_ext.sparse += left_out * size.block_bytes;
  return made;
}

}  // namespace krata::image
