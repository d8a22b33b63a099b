// The file system of an image while its layers are put together: in memory, but for files' contents, which lie in a
// spool. Nothing of it is ever made on the host. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::image {

enum class Kind : std::uint8_t { file, directory, symlink, character, block, fifo };

// Name to value, in the order of names.
using Xattrs = std::map<std::string, std::string>;

// Where a file's bytes lie.
struct Content {
  std::uint64_t offset = 0;  // in the spool
  std::uint64_t size_bytes = 0;
};

using NodeId = std::uint32_t;
inline constexpr NodeId kRoot = 0;

struct Child {
  NodeId id = 0;
  std::uint32_t layer = 0;  // that put the name here, or something below it
};
using Children = std::map<std::string, Child, std::less<>>;

// What an inode is.
struct Node {
  Kind kind = Kind::file;
  std::uint16_t mode = 0;  // the lower 12 bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mtime_ns = 0;
  std::int64_t mtime_s = 0;
  std::uint32_t links = 0;         // names that it has
  std::uint32_t device_major = 0;  // of characters and blocks
  std::uint32_t device_minor = 0;
  Content content = {};                            // of a file
  std::string target = {};                         // of a symlink
  std::shared_ptr<const Xattrs> xattrs = nullptr;  // null: none
  std::unique_ptr<Children> children = nullptr;    // of a directory
};

// Owns all nodes. Ids stay valid until the node's last name is removed. Move-only; not thread-safe.
//
// Errors are limit (limits::kNodes, kTextBytes, kDepth, names that are too long) and invalid_input.
class Tree {
 public:
  Tree();  // a root of mode 0755

  [[nodiscard]] const Node& at(NodeId id) const { return nodes_[id]; }
  [[nodiscard]] std::size_t size() const { return nodes_.size() - free_.size(); }
  [[nodiscard]] std::size_t max_nodes() const { return nodes_.size(); }  // ids are below this

  // A directory's child. Nothing: it has none of the name, or is no directory.
  [[nodiscard]] const Child* find(NodeId directory, std::string_view name) const;
  // Gives `node` the name, which must be free. `layer` marks it.
  common::Result<NodeId> add(NodeId directory, std::string_view name, Node node, std::uint32_t layer);
  // A further name for a node that is no directory.
  common::Result<void> link(NodeId directory, std::string_view name, NodeId id, std::uint32_t layer);
  // Takes a name away, and all below it; nothing happens where there is none.
  void remove(NodeId directory, std::string_view name);
  // Takes away all of the name that no part of `layer` stands at or above.
  common::Result<void> remove_older(NodeId directory, std::string_view name, std::uint32_t layer);
  // The same of everything in a directory, which stays itself.
  common::Result<void> remove_older_children(NodeId directory, std::uint32_t layer);
  void mark(NodeId directory, std::string_view name, std::uint32_t layer);
  // For the work of whoever looks around in the tree: fails with limit once that was limits::kSteps in all.
  common::Result<void> take_steps(std::size_t steps);
  // Replaces mode, owner, time and attributes of a node.
  common::Result<void> restat(NodeId id, const Node& like);

 private:
  common::Result<void> spend(std::size_t text_bytes);
  common::Result<void> check_name(std::string_view name) const;
  void release(NodeId id);
  void remove_child(Children& siblings, Children::iterator child);
  static std::size_t text_of(const Node& node);

  std::deque<Node> nodes_;
  std::vector<NodeId> free_;
  std::size_t text_bytes_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace krata::image
