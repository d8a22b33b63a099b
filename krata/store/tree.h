// The tree of nodes. Pure. A copy of a Tree is a snapshot: it costs nothing, shares all nodes, and whichever of the two
// is changed copies the nodes on the way to the change first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "krata/store/node.h"

namespace krata::store {

// One step of what happens to a tree; a request comes to some of them. The journal keeps these.
struct TreeChange {
  enum class Kind : std::uint8_t { create, write, set_permissions, remove };

  Kind kind = Kind::create;
  std::string path;               // absolute
  std::string value;              // create, write
  SharedPermissions permissions;  // create, set_permissions
};

class Tree {
 public:
  // Holds "/" alone, domain 0's.
  Tree();

  [[nodiscard]] const Node* find(std::string_view path) const;  // nullptr: there is none
  // The node, or the nearest one above that exists.
  [[nodiscard]] const Node& nearest(std::string_view path) const;
  [[nodiscard]] std::uint32_t nodes_of(DomainId domain) const;
  [[nodiscard]] const Node& root() const { return *root_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // Nothing has happened to either since one was copied from the other.
  [[nodiscard]] bool is_same(const Tree& other) const { return root_ == other.root_; }
  // How many bytes have been copied so far because a snapshot still had them.
  [[nodiscard]] std::uint64_t copied_bytes() const { return copied_bytes_; }

  // The change must fit the tree: a node to create has a parent and is not there, any other is. Who asks checks.
  void apply(const TreeChange& change);

  // For reading a saved tree. The root is there already; all other nodes are created.
  void restore_root(std::string value, SharedPermissions permissions);
  void restore_generation(std::uint64_t generation) { generation_ = generation; }
  void restore_node_generation(std::string_view path, std::uint64_t generation);

 private:
  // The node, and all above it, unshared.
  Node& own(std::string_view path);
  Node& own_child(Node& parent, std::string_view name);
  void unshare(NodeRef& ref);
  void create(const TreeChange& change);
  void remove(const std::string& path);
  void forget(const Node& node);
  void count(DomainId owner, int by);

  NodeRef root_;
  std::map<DomainId, std::uint32_t> owned_;
  std::uint64_t generation_ = 1;
  std::uint64_t copied_bytes_ = 0;
};

}  // namespace krata::store
