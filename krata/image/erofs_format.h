// EROFS as it lies on a disk: fs/erofs/erofs_fs.h of the kernel and its documentation (filesystems/erofs.rst). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/image/tree.h"

namespace krata::image::erofs {

inline constexpr std::uint64_t kBlockBytes = 4096;
inline constexpr unsigned kBlockBits = 12;
inline constexpr std::uint64_t kSuperOffset = 1024;
inline constexpr std::uint64_t kSuperBytes = 128;
inline constexpr std::uint64_t kSlotBytes = 32;  // inodes are numbered by these
inline constexpr std::uint64_t kInodeBytes = 64;
inline constexpr std::uint32_t kNoBlock = 0xffffffff;

// How an inode's data lies.
enum class Layout : std::uint8_t { plain = 0, inline_tail = 2, chunks = 4 };

struct Super {
  std::uint64_t root = 0;  // number of its inode
  std::uint64_t inodes = 0;
  std::uint64_t blocks = 0;
  bool has_chunks = false;
};

struct Inode {
  Layout layout = Layout::plain;
  std::uint64_t xattr_bytes = 0;
  std::uint16_t mode = 0;  // with the kind
  std::uint64_t size_bytes = 0;
  std::uint32_t where = 0;  // first block, device, or the chunks' size
  std::uint32_t number = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_s = 0;
  std::uint32_t mtime_ns = 0;
  std::uint32_t links = 0;
};

struct Name {
  std::string_view name;
  std::uint64_t inode = 0;
  Kind kind = Kind::file;
};

std::string super_bytes(const Super& super);
std::string inode_bytes(const Inode& inode);
// What stands behind an inode; empty for none. Errors: unsupported (a kind of attribute that EROFS has no number for),
// limit.
common::Result<std::string> xattr_bytes(const Xattrs* xattrs);
// A directory's data; the names ascend, "." and ".." among them.
std::string directory_bytes(const std::vector<Name>& names);
std::string block_map_bytes(const std::vector<std::uint32_t>& blocks);

std::uint16_t mode_of(const Node& node);
std::uint32_t device_of(const Node& node);

}  // namespace krata::image::erofs
