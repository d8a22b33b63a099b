#include "krata/image/squashfs.h"

#include <fmt/format.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "krata/image/squashfs_file.h"
#include "krata/image/squashfs_holes.h"
#include "krata/image/text.h"
#include "krata/image/tree_order.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kBlockBytes = SQFS_DEFAULT_BLOCK_SIZE;
constexpr std::size_t kDeviceBlockBytes = 4096;
// A third of the time of the library's default, 15, and some 4 percent more bytes.
constexpr unsigned kZstdLevel = 6;
constexpr unsigned kMaxWorkers = 16;
constexpr std::size_t kBlocksPerWorker = 8;
constexpr std::uint32_t kNoXattrs = 0xffffffff;
constexpr std::size_t kMaxOwners = 65535;  // users and groups, in one table: squashfs 4.0 format, "ID Table"

struct Destroyer {
  void operator()(void* object) const { sqfs_destroy(object); }
};
template <typename Object>
using Owned = std::unique_ptr<Object, Destroyer>;

struct Freer {
  void operator()(void* memory) const { sqfs_free(memory); }
};
using Inode = std::unique_ptr<sqfs_inode_generic_t, Freer>;

std::uint32_t whole_seconds(std::int64_t mtime_s) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(mtime_s, 0, UINT32_MAX));
}

std::uint32_t device_number(const Node& node) {
  return (node.device_minor & 0xffU) | node.device_major << 8U | (node.device_minor & ~0xffU) << 12U;
}

// The kinds of attributes that have a number: fs/squashfs/squashfs_fs.h of Linux.
bool is_kept(std::string_view name) {
  return (name.starts_with("user.") || name.starts_with("trusted.") || name.starts_with("security.")) &&
         !name.ends_with('.');
}

std::uint16_t type_bits(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return SQFS_INODE_MODE_DIR;
    case Kind::symlink:
      return SQFS_INODE_MODE_LNK;
    case Kind::character:
      return SQFS_INODE_MODE_CHR;
    case Kind::block:
      return SQFS_INODE_MODE_BLK;
    case Kind::fifo:
      return SQFS_INODE_MODE_FIFO;
    case Kind::file:
      break;
  }
  return SQFS_INODE_MODE_REG;
}

// Of a node that is neither file nor directory.
Inode special_inode(const Node& node) {
  auto* inode =
      static_cast<sqfs_inode_generic_t*>(std::calloc(1, sizeof(sqfs_inode_generic_t) + node.target.size() + 1));
  if (inode == nullptr) {
    return nullptr;
  }
  switch (node.kind) {
    case Kind::symlink:
      inode->base.type = SQFS_INODE_SLINK;
      inode->data.slink.nlink = node.links;
      inode->data.slink.target_size = static_cast<sqfs_u32>(node.target.size());
      inode->payload_bytes_available = static_cast<sqfs_u32>(node.target.size());
      inode->payload_bytes_used = inode->payload_bytes_available;
      std::ranges::copy(node.target, reinterpret_cast<char*>(inode->extra));
      break;
    case Kind::fifo:
      inode->base.type = SQFS_INODE_FIFO;
      inode->data.ipc.nlink = node.links;
      break;
    default:
      inode->base.type = node.kind == Kind::block ? SQFS_INODE_BDEV : SQFS_INODE_CDEV;
      inode->data.dev.nlink = node.links;
      inode->data.dev.devno = device_number(node);
  }
  return Inode(inode);
}

class Writer {
 public:
  Writer(const Tree& tree, const Spool& spool, int fd)
      : tree_(tree), spool_(spool), order_(bottom_up(tree)), file_(fd) {}

  Result<void> write() {
    Result<void> (Writer::* const steps[])() = {&Writer::open,         &Writer::write_data,   &Writer::number,
                                                &Writer::write_inodes, &Writer::write_tables, &Writer::close};
    for (const auto step : steps) {
      KRAIT_CHECK((this->*step)(), "write the squashfs");
    }
    return {};
  }

 private:
  // What a call of the library gave; negative: it failed.
  Result<void> check(int status, const char* what) {
    if (status >= 0) {
      return {};
    }
    if (file_.sys_errno() != 0) {
      return Error::from_errno(file_.sys_errno(), what);
    }
    return status == SQFS_ERROR_ALLOC ? Error::from_errno(ENOMEM, what)
                                      : Error(ErrorCode::system, fmt::format("{}: libsquashfs says {}", what, status));
  }

  Result<void> open() {
    sqfs_compressor_config_t config;
    sqfs_compressor_config_init(&config, SQFS_COMP_ZSTD, kBlockBytes, 0);
    config.level = kZstdLevel;
    sqfs_compressor_t* compressor = nullptr;
    KRAIT_CHECK(check(sqfs_compressor_create(&config, &compressor), "start zstd"));
    compressor_.reset(compressor);
    config.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
    KRAIT_CHECK(check(sqfs_compressor_create(&config, &compressor), "start zstd"));
    decompressor_.reset(compressor);
    sqfs_super_init(&super_, kBlockBytes, 0, SQFS_COMP_ZSTD);
    KRAIT_CHECK(check(sqfs_super_write(&super_, file_.get()), "write the head"));
    const int options = compressor_->write_options(compressor_.get(), file_.get());
    if (options > 0) {
      super_.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
    }
    blocks_.reset(sqfs_block_writer_create(file_.get(), kDeviceBlockBytes, 0));
    fragments_.reset(sqfs_frag_table_create(0));
    ids_.reset(sqfs_id_table_create(0));
    xattrs_.reset(sqfs_xattr_writer_create(0));
    const bool made = blocks_ && fragments_ && ids_ && xattrs_;
    return check(made ? options : SQFS_ERROR_ALLOC, "write the head");
  }

  Result<void> write_data() {
    const unsigned workers = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxWorkers);
    sqfs_block_processor_desc_t description{};
    description.size = sizeof description;
    description.max_block_size = kBlockBytes;
    description.num_workers = workers;
    description.max_backlog = static_cast<sqfs_u32>(workers * kBlocksPerWorker);
    description.cmp = compressor_.get();
    description.wr = blocks_.get();
    description.tbl = fragments_.get();
    description.file = file_.get();
    description.uncmp = decompressor_.get();
    sqfs_block_processor_t* created = nullptr;
    KRAIT_CHECK(check(sqfs_block_processor_create_ex(&description, &created), "start the compressors"));
    const Owned<sqfs_block_processor_t> processor(created);
    raw_inodes_.resize(tree_.max_nodes());
    for (const NumberedNode& place : order_) {
      if (tree_.at(place.id).kind == Kind::file) {
        KRAIT_CHECK(write_file(*processor, place.id));
      }
    }
    return check(sqfs_block_processor_finish(processor.get()), "write files");
  }

  Result<void> write_file(sqfs_block_processor_t& processor, NodeId id) {
    KRAIT_CHECK(check(sqfs_block_processor_begin_file(&processor, &raw_inodes_[id].inode, nullptr, 0), "begin a file"));
    const Content& content = tree_.at(id).content;
    for (std::uint64_t at = 0; at < content.size_bytes;) {
      // To read and compare them would take more than a second for each 10 GiB.
      if (const std::uint64_t blocks = (spool_.data_from(content, at) - at) / kBlockBytes; blocks > 0) {
        holes_[id].push_back({.first = at / kBlockBytes, .blocks = blocks});
        at += blocks * kBlockBytes;
        continue;
      }
      buffer_.resize(std::min<std::uint64_t>(kBlockBytes, content.size_bytes - at));
      KRAIT_CHECK(spool_.read(content, at, buffer_.data(), buffer_.size()));
      KRAIT_CHECK(check(sqfs_block_processor_append(&processor, buffer_.data(), buffer_.size()), "write a file"));
      at += buffer_.size();
    }
    return check(sqfs_block_processor_end_file(&processor), "end a file");
  }

  Result<void> number() {
    numbers_.resize(tree_.max_nodes());
    references_.resize(tree_.max_nodes());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      numbers_[order_[i].id] = static_cast<std::uint32_t>(i + 1);
    }
    super_.inode_count = static_cast<sqfs_u32>(order_.size());
    return {};
  }

  Result<void> write_inodes() {
    inode_table_.reset(sqfs_meta_writer_create(file_.get(), compressor_.get(), 0));
    directory_table_.reset(sqfs_meta_writer_create(file_.get(), compressor_.get(), SQFS_META_WRITER_KEEP_IN_MEMORY));
    if (directory_table_) {
      directories_.reset(sqfs_dir_writer_create(directory_table_.get(), 0));
    }
    if (!inode_table_ || !directories_) {
      return check(SQFS_ERROR_ALLOC, "write the inodes");
    }
    super_.inode_table_start = file_.size_bytes();
    for (const NumberedNode& place : order_) {
      KRAIT_CHECK(write_inode(place));
    }
    super_.root_inode_ref = references_[kRoot];
    return {};
  }

  Result<std::uint32_t> write_xattrs(const Node& node) {
    if (!node.xattrs) {
      return kNoXattrs;
    }
    constexpr const char* kWhat = "write extended attributes";
    KRAIT_CHECK(check(sqfs_xattr_writer_begin(xattrs_.get(), 0), kWhat));
    for (const auto& [name, value] : *node.xattrs) {
      KRAIT_CHECK(check(sqfs_xattr_writer_add(xattrs_.get(), name.c_str(), value.data(), value.size()), kWhat));
    }
    sqfs_u32 index = kNoXattrs;
    KRAIT_CHECK(check(sqfs_xattr_writer_end(xattrs_.get(), &index), kWhat));
    return index;
  }

  Result<Inode> directory_inode(const NumberedNode& place, std::uint32_t xattrs) {
    KRAIT_CHECK(check(sqfs_dir_writer_begin(directories_.get(), 0), "begin a folder"));
    for (const auto& [name, child] : *tree_.at(place.id).children) {
      const Node& node = tree_.at(child.id);
      KRAIT_CHECK(
          check(sqfs_dir_writer_add_entry(directories_.get(), name.c_str(), numbers_[child.id], references_[child.id],
                                          static_cast<sqfs_u16>(type_bits(node.kind) | node.mode)),
                "write a folder"));
    }
    KRAIT_CHECK(check(sqfs_dir_writer_end(directories_.get()), "end a folder"));
    // The root's parent has the number behind the last one.
    const auto parent = place.id == kRoot ? static_cast<std::uint32_t>(order_.size() + 1) : numbers_[place.parent];
    return Inode(sqfs_dir_writer_create_inode(directories_.get(), directory_links(tree_, place.id), xattrs, parent));
  }

  Result<void> write_inode(const NumberedNode& place) {
    const Node& node = tree_.at(place.id);
    KRAIT_TRY(const auto xattrs, write_xattrs(node));
    Inode inode;
    if (node.kind == Kind::directory) {
      KRAIT_TRY(inode, directory_inode(place, xattrs));
    } else if (node.kind == Kind::file) {
      inode.reset(std::exchange(raw_inodes_[place.id].inode, nullptr));
      if (const auto holes = holes_.find(place.id); inode && holes != holes_.end()) {
        inode.reset(
            with_holes(*inode, holes->second, {.size_bytes = node.content.size_bytes, .block_bytes = kBlockBytes}));
      }
    } else {
      inode = special_inode(node);
    }
    if (!inode) {
      return check(SQFS_ERROR_ALLOC, "write an inode");
    }
    if (xattrs != kNoXattrs && node.kind != Kind::directory) {
      sqfs_inode_set_xattr_index(inode.get(), xattrs);
    }
    if (node.kind == Kind::file && node.links > 1) {
      sqfs_inode_make_extended(inode.get());
      inode->data.file_ext.nlink = node.links;
    }
    return put_inode(*inode, node, place.id);
  }

  Result<void> put_inode(sqfs_inode_generic_t& inode, const Node& node, NodeId id) {
    inode.base.mode = static_cast<sqfs_u16>(type_bits(node.kind) | node.mode);
    inode.base.mod_time = whole_seconds(node.mtime_s);
    inode.base.inode_number = numbers_[id];
    KRAIT_CHECK(check(sqfs_id_table_id_to_index(ids_.get(), node.uid, &inode.base.uid_idx), "write an owner"));
    KRAIT_CHECK(check(sqfs_id_table_id_to_index(ids_.get(), node.gid, &inode.base.gid_idx), "write a group"));
    sqfs_u64 block = 0;
    sqfs_u32 offset = 0;
    sqfs_meta_writer_get_position(inode_table_.get(), &block, &offset);
    references_[id] = block << 16U | offset;
    return check(sqfs_meta_writer_write_inode(inode_table_.get(), &inode), "write an inode");
  }

  Result<void> write_tables() {
    KRAIT_CHECK(check(sqfs_meta_writer_flush(inode_table_.get()), "write the inodes"));
    KRAIT_CHECK(check(sqfs_meta_writer_flush(directory_table_.get()), "write the folders"));
    super_.directory_table_start = file_.size_bytes();
    KRAIT_CHECK(check(sqfs_meta_write_write_to_file(directory_table_.get()), "write the folders"));
    KRAIT_CHECK(
        check(sqfs_frag_table_write(fragments_.get(), file_.get(), &super_, compressor_.get()), "write the fragments"));
    KRAIT_CHECK(check(sqfs_id_table_write(ids_.get(), file_.get(), &super_, compressor_.get()), "write the owners"));
    return check(sqfs_xattr_writer_flush(xattrs_.get(), file_.get(), &super_, compressor_.get()),
                 "write extended attributes");
  }

  Result<void> close() {
    super_.bytes_used = file_.size_bytes();
    KRAIT_CHECK(check(sqfs_super_write(&super_, file_.get()), "write the head"));
    const std::uint64_t padded = (file_.size_bytes() + kDeviceBlockBytes - 1) / kDeviceBlockBytes * kDeviceBlockBytes;
    return check(file_.get()->truncate(file_.get(), padded), "pad the end");
  }

  // An inode that the library makes, and fills while blocks are being compressed.
  struct RawInode {
    sqfs_inode_generic_t* inode = nullptr;
    RawInode() = default;
    RawInode(const RawInode&) = delete;
    RawInode& operator=(const RawInode&) = delete;
    RawInode(RawInode&& other) noexcept : inode(std::exchange(other.inode, nullptr)) {}
    RawInode& operator=(RawInode&& other) noexcept {
      std::swap(inode, other.inode);
      return *this;
    }
    ~RawInode() {
      if (inode != nullptr) {
        sqfs_free(inode);
      }
    }
  };

  const Tree& tree_;
  const Spool& spool_;
  std::vector<NumberedNode> order_;
  SquashfsFile file_;
  sqfs_super_t super_{};
  Owned<sqfs_compressor_t> compressor_;
  Owned<sqfs_compressor_t> decompressor_;
  Owned<sqfs_block_writer_t> blocks_;
  Owned<sqfs_frag_table_t> fragments_;
  Owned<sqfs_id_table_t> ids_;
  Owned<sqfs_xattr_writer_t> xattrs_;
  Owned<sqfs_meta_writer_t> inode_table_;
  Owned<sqfs_meta_writer_t> directory_table_;
  Owned<sqfs_dir_writer_t> directories_;
  std::vector<RawInode> raw_inodes_;
  std::unordered_map<NodeId, std::vector<Hole>> holes_;  // that were left out, in order
  std::vector<std::uint32_t> numbers_;
  std::vector<std::uint64_t> references_;
  std::vector<char> buffer_;
};

}  // namespace

Result<void> check_squashfs(const Tree& tree) {
  std::unordered_set<std::uint32_t> owners;
  for (const NumberedNode& place : bottom_up(tree)) {
    const Node& node = tree.at(place.id);
    owners.insert({node.uid, node.gid});
    const auto lost = node.xattrs ? std::ranges::find_if_not(*node.xattrs, is_kept, &Xattrs::value_type::first)
                                  : Xattrs::const_iterator();
    if (node.xattrs && lost != node.xattrs->end()) {
      return Error(ErrorCode::unsupported,
                   fmt::format("squashfs cannot keep the extended attribute \"{}\"; erofs can: --format erofs",
                               printable(lost->first)));
    }
  }
  return owners.size() <= kMaxOwners
             ? Result<void>()
             : Error(ErrorCode::limit, fmt::format("squashfs keeps at most {} different owners; erofs keeps more: "
                                                   "--format erofs",
                                                   kMaxOwners));
}

Result<void> write_squashfs(const Tree& tree, const Spool& spool, int fd) { return Writer(tree, spool, fd).write(); }

}  // namespace krata::image
