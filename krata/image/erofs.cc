#include "krata/image/erofs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "common/file.h"
#include "krata/image/erofs_format.h"
#include "krata/image/text.h"
#include "krata/image/tree_order.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20U;
constexpr std::uint64_t kHolesFrom = std::uint64_t{64} << 10U;  // smaller files have none in the spool
constexpr std::uint64_t kMaxChunks = std::uint64_t{1} << 16U;
constexpr std::uint64_t kChunkMapAlign = 4;
constexpr std::uint64_t kMaxBlocks = 0xfffffffe;

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

// Where an inode and its data lie.
struct Placed {
  std::uint64_t offset = 0;  // of the inode, in bytes
  std::uint64_t data_bytes = 0;
  erofs::Layout layout = erofs::Layout::plain;
  std::uint32_t first_block = erofs::kNoBlock;
  unsigned chunk_bits = 0;
};

// Appends to a file at rising offsets, a piece at a time.
class Appender {
 public:
  explicit Appender(int fd) : fd_(fd) {}

  Result<void> put(std::uint64_t offset, std::string_view bytes) {
    const std::uint64_t end = at_ + pending_.size();
    if (offset < end || offset > end + erofs::kBlockBytes || pending_.size() >= kPieceBytes) {
      KRAIT_CHECK(flush());
    }
    if (pending_.empty()) {
      at_ = offset;
    }
    pending_.resize(offset - at_, '\0');
    pending_.append(bytes);
    return {};
  }
  Result<void> flush() {
    auto written = common::write_all_at(fd_, at_, pending_, "the image");
    pending_.clear();
    return written;
  }

 private:
  int fd_;
  std::uint64_t at_ = 0;
  std::string pending_;
};

class Writer {
 public:
  Writer(const Tree& tree, const Spool& spool, int fd)
      : tree_(tree), spool_(spool), fd_(fd), metadata_(fd), data_(fd), order_(bottom_up(tree)) {
    std::ranges::reverse(order_);  // the root's number must be a small one
  }

  Result<void> write() {
    Result<void> (Writer::* const steps[])() = {&Writer::place_inodes, &Writer::place_data, &Writer::write_inodes,
                                                &Writer::write_super};
    for (const auto step : steps) {
      KRAIT_CHECK((this->*step)(), "write the EROFS");
    }
    return {};
  }

 private:
  [[nodiscard]] std::uint64_t number(NodeId id) const { return placed_[id].offset / erofs::kSlotBytes; }

  [[nodiscard]] std::vector<erofs::Name> names(const NumberedNode& place) const {
    std::vector<erofs::Name> names{{".", number(place.id), Kind::directory},
                                   {"..", number(place.parent), Kind::directory}};
    for (const auto& [name, child] : *tree_.at(place.id).children) {
      names.push_back({name, number(child.id), tree_.at(child.id).kind});
    }
    std::ranges::sort(names, {}, &erofs::Name::name);
    return names;
  }

  [[nodiscard]] std::uint64_t data_bytes(const NumberedNode& place) const {
    const Node& node = tree_.at(place.id);
    switch (node.kind) {
      case Kind::directory:
        return erofs::directory_bytes(names(place)).size();
      case Kind::symlink:
        return node.target.size();
      case Kind::file:
        return node.content.size_bytes;
      default:
        return 0;
    }
  }

  // What stands behind the attributes: the last part of a block, the chunks' map, or nothing.
  void choose_layout(const Node& node, std::uint64_t head_bytes, Placed& placed) const {
    const std::uint64_t tail = placed.data_bytes % erofs::kBlockBytes;
    if (node.kind == Kind::file && placed.data_bytes >= kHolesFrom && spool_.has_hole(node.content)) {
      placed.layout = erofs::Layout::chunks;
      while (placed.data_bytes >> (erofs::kBlockBits + placed.chunk_bits) >= kMaxChunks) {
        ++placed.chunk_bits;
      }
    } else if (tail > 0 && head_bytes + tail <= erofs::kBlockBytes) {
      placed.layout = erofs::Layout::inline_tail;
    }
  }

  [[nodiscard]] std::uint64_t chunk_count(const Placed& placed) const {
    const std::uint64_t chunk = erofs::kBlockBytes << placed.chunk_bits;
    return (placed.data_bytes + chunk - 1) / chunk;
  }

  Result<void> place_inodes() {
    placed_.resize(tree_.max_nodes());
    std::uint64_t at = erofs::kSuperOffset + erofs::kSuperBytes;
    for (const NumberedNode& place : order_) {
      const Node& node = tree_.at(place.id);
      KRAIT_TRY(const auto xattrs, erofs::xattr_bytes(node.xattrs.get()));
      Placed& placed = placed_[place.id];
      placed.data_bytes = data_bytes(place);
      const std::uint64_t head = erofs::kInodeBytes + xattrs.size();
      choose_layout(node, head, placed);
      at = rounded_up(at, erofs::kInodeBytes);
      const std::uint64_t tail =
          placed.layout == erofs::Layout::inline_tail ? placed.data_bytes % erofs::kBlockBytes : 0;
      // The tail must not cross a block's end.
      if (tail > 0 && (at + head) % erofs::kBlockBytes + tail > erofs::kBlockBytes) {
        at = rounded_up(at, erofs::kBlockBytes);
      }
      placed.offset = at;
      at += head + tail;
      if (placed.layout == erofs::Layout::chunks) {
        has_chunks_ = true;
        at = rounded_up(at, kChunkMapAlign) + 4 * chunk_count(placed);
      }
    }
    blocks_ = rounded_up(at, erofs::kBlockBytes) / erofs::kBlockBytes;
    return {};
  }

  Result<std::uint32_t> take_blocks(std::uint64_t bytes) {
    const std::uint64_t first = blocks_;
    blocks_ += rounded_up(bytes, erofs::kBlockBytes) / erofs::kBlockBytes;
    return blocks_ <= kMaxBlocks ? Result<std::uint32_t>(static_cast<std::uint32_t>(first))
                                 : Error(ErrorCode::limit, "the image is larger than EROFS can be");
  }

  Result<void> place_data() {
    for (const NumberedNode& place : order_) {
      Placed& placed = placed_[place.id];
      if (placed.layout == erofs::Layout::chunks) {
        continue;  // where its chunks lie is found out as they are written
      }
      const std::uint64_t whole = placed.layout == erofs::Layout::inline_tail
                                      ? placed.data_bytes / erofs::kBlockBytes * erofs::kBlockBytes
                                      : placed.data_bytes;
      if (whole > 0) {
        KRAIT_TRY(const auto first, take_blocks(whole));
        placed.first_block = first;
      }
    }
    return {};
  }

  Result<void> copy(const Content& content, std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
    while (bytes > 0) {
      buffer_.resize(std::min(bytes, kPieceBytes));
      KRAIT_CHECK(spool_.read(content, from, buffer_.data(), buffer_.size()));
      KRAIT_CHECK(data_.put(to, buffer_));
      from += buffer_.size();
      to += buffer_.size();
      bytes -= buffer_.size();
    }
    return {};
  }

  // Writes the blocks of a file, and gives the map of its chunks.
  Result<std::string> write_chunks(const Node& node, const Placed& placed) {
    const std::uint64_t chunk = erofs::kBlockBytes << placed.chunk_bits;
    std::vector<std::uint32_t> map;
    for (std::uint64_t at = 0; at < placed.data_bytes; at += chunk) {
      const std::uint64_t bytes = std::min(chunk, placed.data_bytes - at);
      if (spool_.data_from(node.content, at) >= at + bytes) {
        map.push_back(erofs::kNoBlock);
        continue;
      }
      KRAIT_TRY(const auto first, take_blocks(bytes));
      map.push_back(first);
      KRAIT_CHECK(copy(node.content, at, bytes, first * erofs::kBlockBytes));
    }
    return erofs::block_map_bytes(map);
  }

  // Writes whole blocks of what is in memory or in the spool, and gives the tail.
  Result<std::string> write_flat(const NumberedNode& place, const Placed& placed) {
    const Node& node = tree_.at(place.id);
    const std::uint64_t tail = placed.layout == erofs::Layout::inline_tail ? placed.data_bytes % erofs::kBlockBytes : 0;
    const std::uint64_t whole = placed.data_bytes - tail;
    const std::uint64_t to = placed.first_block * erofs::kBlockBytes;
    if (node.kind == Kind::file) {
      KRAIT_CHECK(copy(node.content, 0, whole, to));
      std::string rest(tail, '\0');
      KRAIT_CHECK(spool_.read(node.content, whole, rest.data(), tail));
      return rest;
    }
    const std::string bytes = node.kind == Kind::directory ? erofs::directory_bytes(names(place)) : node.target;
    if (whole > 0) {
      KRAIT_CHECK(data_.put(to, std::string_view(bytes).substr(0, whole)));
    }
    return bytes.substr(whole);
  }

  Result<void> write_inodes() {
    std::uint32_t count = 0;
    for (const NumberedNode& place : order_) {
      KRAIT_CHECK(write_inode(place, ++count));
    }
    KRAIT_CHECK(metadata_.flush());
    return data_.flush();
  }

  Result<void> write_inode(const NumberedNode& place, std::uint32_t count) {
    const Node& node = tree_.at(place.id);
    const Placed& placed = placed_[place.id];
    const bool in_chunks = placed.layout == erofs::Layout::chunks;
    KRAIT_TRY(const auto behind, in_chunks ? write_chunks(node, placed) : write_flat(place, placed));
    KRAIT_TRY(const auto xattrs, erofs::xattr_bytes(node.xattrs.get()));
    const bool is_device = node.kind == Kind::character || node.kind == Kind::block || node.kind == Kind::fifo;
    const erofs::Inode inode{.layout = placed.layout,
                             .xattr_bytes = xattrs.size(),
                             .mode = erofs::mode_of(node),
                             .size_bytes = placed.data_bytes,
                             .where = in_chunks   ? placed.chunk_bits
                                      : is_device ? erofs::device_of(node)
                                                  : placed.first_block,
                             .number = count,
                             .uid = node.uid,
                             .gid = node.gid,
                             .mtime_s = node.mtime_s,
                             .mtime_ns = node.mtime_ns,
                             .links = node.kind == Kind::directory ? directory_links(tree_, place.id) : node.links};
    KRAIT_CHECK(metadata_.put(placed.offset, erofs::inode_bytes(inode) + xattrs));
    const std::uint64_t end = placed.offset + erofs::kInodeBytes + xattrs.size();
    return behind.empty() ? Result<void>() : metadata_.put(in_chunks ? rounded_up(end, kChunkMapAlign) : end, behind);
  }

  Result<void> write_super() {
    const std::string bytes = erofs::super_bytes(
        {.root = number(kRoot), .inodes = order_.size(), .blocks = blocks_, .has_chunks = has_chunks_});
    KRAIT_CHECK(common::write_all_at(fd_, erofs::kSuperOffset, bytes, "the image"));
    return ::ftruncate(fd_, static_cast<off_t>(blocks_ * erofs::kBlockBytes)) == 0
               ? Result<void>()
               : Error::from_errno(errno, "pad the end");
  }

  const Tree& tree_;
  const Spool& spool_;
  int fd_;
  Appender metadata_;
  Appender data_;
  std::vector<NumberedNode> order_;
  std::vector<Placed> placed_;
  std::string buffer_;
  std::uint64_t blocks_ = 0;
  bool has_chunks_ = false;
};

}  // namespace

Result<void> write_erofs(const Tree& tree, const Spool& spool, int fd) { return Writer(tree, spool, fd).write(); }

}  // namespace krata::image
