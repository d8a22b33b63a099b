#include "krata/image/erofs_format.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>

#include "krata/image/text.h"

namespace krata::image::erofs {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint32_t kMagic = 0xe0f5e1e2;
constexpr std::uint32_t kCompatMtime = 0x2;
constexpr std::uint32_t kIncompatChunks = 0x4;
constexpr std::uint16_t kExtended = 1;

constexpr std::uint64_t kDirentBytes = 12;
constexpr std::uint64_t kXattrHeadBytes = 12;
constexpr std::uint64_t kXattrAlign = 4;
constexpr std::uint64_t kMaxXattrBytes = kXattrHeadBytes + kXattrAlign * 0xfffe;
constexpr std::size_t kMaxXattrValueBytes = 0xffff;

struct Prefix {
  std::string_view text;
  std::uint8_t index;
  bool whole;  // the name is nothing but the prefix
};
constexpr std::array kPrefixes{Prefix{"user.", 1, false}, Prefix{"system.posix_acl_access", 2, true},
                               Prefix{"system.posix_acl_default", 3, true}, Prefix{"trusted.", 4, false},
                               Prefix{"security.", 6, false}};

// Little-endian.
class Bytes {
 public:
  template <typename Number>
  Bytes& put(Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i) {
      text_ += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xffU);
    }
    return *this;
  }
  Bytes& put_text(std::string_view text) {
    text_ += text;
    return *this;
  }
  Bytes& zeros(std::size_t count) {
    text_.append(count, '\0');
    return *this;
  }
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::uint8_t directory_type(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return 2;
    case Kind::character:
      return 3;
    case Kind::block:
      return 4;
    case Kind::fifo:
      return 5;
    case Kind::symlink:
      return 7;
    case Kind::file:
      break;
  }
  return 1;
}

Result<void> put_xattr(std::string_view name, std::string_view value, Bytes& bytes) {
  for (const Prefix& prefix : kPrefixes) {
    const bool fits =
        prefix.whole ? name == prefix.text : name.starts_with(prefix.text) && name.size() > prefix.text.size();
    if (!fits) {
      continue;
    }
    if (value.size() > kMaxXattrValueBytes) {
      return Error(ErrorCode::limit,
                   fmt::format("the extended attribute \"{}\" has {} bytes, more than the {} of EROFS", printable(name),
                               value.size(), kMaxXattrValueBytes));
    }
    const std::string_view rest = name.substr(prefix.text.size());
    bytes.put(static_cast<std::uint8_t>(rest.size())).put(prefix.index).put(static_cast<std::uint16_t>(value.size()));
    bytes.put_text(rest).put_text(value);
    bytes.zeros((kXattrAlign - bytes.size() % kXattrAlign) % kXattrAlign);
    return {};
  }
  return Error(ErrorCode::unsupported, fmt::format("EROFS cannot keep the extended attribute \"{}\"", printable(name)));
}

// One block's worth of names; the last block of a directory is not filled up.
void put_directory_block(const std::vector<Name>& names, std::size_t from, std::size_t to, Bytes& bytes) {
  std::uint64_t offset = kDirentBytes * (to - from);
  for (std::size_t i = from; i < to; ++i) {
    bytes.put(names[i].inode).put(static_cast<std::uint16_t>(offset)).put(directory_type(names[i].kind)).zeros(1);
    offset += names[i].name.size();
  }
  for (std::size_t i = from; i < to; ++i) {
    bytes.put_text(names[i].name);
  }
  if (to < names.size()) {
    bytes.zeros(kBlockBytes - offset);
  }
}

}  // namespace

std::string super_bytes(const Super& super) {
  Bytes bytes;
  bytes.put(kMagic).zeros(4).put(kCompatMtime).put(static_cast<std::uint8_t>(kBlockBits)).zeros(1);
  bytes.put(static_cast<std::uint16_t>(super.root)).put(super.inodes).zeros(8 + 4);
  bytes.put(static_cast<std::uint32_t>(super.blocks)).zeros(4 + 4 + 16 + 16);
  bytes.put(super.has_chunks ? kIncompatChunks : 0U);
  return bytes.zeros(kSuperBytes - bytes.size()).take();
}

std::string inode_bytes(const Inode& inode) {
  Bytes bytes;
  const auto xattr_count = inode.xattr_bytes == 0 ? 0 : 1 + (inode.xattr_bytes - kXattrHeadBytes) / kXattrAlign;
  bytes.put(static_cast<std::uint16_t>(kExtended | static_cast<unsigned>(inode.layout) << 1U));
  bytes.put(static_cast<std::uint16_t>(xattr_count)).put(inode.mode).zeros(2).put(inode.size_bytes).put(inode.where);
  bytes.put(inode.number).put(inode.uid).put(inode.gid).put(inode.mtime_s).put(inode.mtime_ns).put(inode.links);
  return bytes.zeros(kInodeBytes - bytes.size()).take();
}

Result<std::string> xattr_bytes(const Xattrs* xattrs) {
  if (xattrs == nullptr) {
    return std::string();
  }
  Bytes bytes;
  bytes.zeros(kXattrHeadBytes);
  for (const auto& [name, value] : *xattrs) {
    KRAIT_CHECK(put_xattr(name, value, bytes));
  }
  if (bytes.size() > kMaxXattrBytes) {
    return Error(ErrorCode::limit,
                 fmt::format("extended attributes of one file have {} bytes, more than the {} of EROFS", bytes.size(),
                             kMaxXattrBytes));
  }
  return bytes.take();
}

std::string directory_bytes(const std::vector<Name>& names) {
  Bytes bytes;
  std::size_t from = 0;
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::uint64_t need = kDirentBytes + names[i].name.size();
    if (used + need > kBlockBytes) {
      put_directory_block(names, from, i, bytes);
      from = i;
      used = 0;
    }
    used += need;
  }
  put_directory_block(names, from, names.size(), bytes);
  return bytes.take();
}

std::string block_map_bytes(const std::vector<std::uint32_t>& blocks) {
  Bytes bytes;
  for (const std::uint32_t block : blocks) {
    bytes.put(block);
  }
  return bytes.take();
}

std::uint16_t mode_of(const Node& node) {
  switch (node.kind) {
    case Kind::directory:
      return static_cast<std::uint16_t>(S_IFDIR | node.mode);
    case Kind::symlink:
      return static_cast<std::uint16_t>(S_IFLNK | node.mode);
    case Kind::character:
      return static_cast<std::uint16_t>(S_IFCHR | node.mode);
    case Kind::block:
      return static_cast<std::uint16_t>(S_IFBLK | node.mode);
    case Kind::fifo:
      return static_cast<std::uint16_t>(S_IFIFO | node.mode);
    case Kind::file:
      break;
  }
  return static_cast<std::uint16_t>(S_IFREG | node.mode);
}

std::uint32_t device_of(const Node& node) {
  const bool is_device = node.kind == Kind::character || node.kind == Kind::block;
  return is_device ? (node.device_minor & 0xffU) | node.device_major << 8U | (node.device_minor & ~0xffU) << 12U : 0;
}

}  // namespace krata::image::erofs
