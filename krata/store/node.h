// One node of the tree and the counted reference to it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "krata/store/permissions.h"

namespace krata::store {

struct Node;

// Shares a node. The count is not atomic: a tree, its snapshots and all their nodes belong to one thread.
class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(Node* fresh);
  NodeRef(const NodeRef& other);
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef();

  const Node* operator->() const { return node_; }
  const Node& operator*() const { return *node_; }
  [[nodiscard]] bool is_shared() const;
  // Only who holds the one reference may change what it refers to.
  [[nodiscard]] Node& unshared() { return *node_; }
  bool operator==(const NodeRef&) const = default;

 private:
  Node* node_ = nullptr;
};

struct Node {
  std::string name;  // "" of the root
  std::string value;
  SharedPermissions permissions;
  std::vector<NodeRef> children;    // by name
  std::uint64_t generation = 0;     // of the last change to value, permissions or list of children
  std::uint64_t birth = 0;          // orders the children of a node as they were created
  std::uint32_t listing_bytes = 0;  // of the children's names, each with a nul
  std::uint32_t references = 0;

  [[nodiscard]] const Node* child(std::string_view name) const;
  [[nodiscard]] std::vector<const Node*> children_by_birth() const;
  [[nodiscard]] std::string listing() const;  // as DIRECTORY answers
};

inline NodeRef::NodeRef(Node* fresh) : node_(fresh) { ++node_->references; }
inline NodeRef::NodeRef(const NodeRef& other) : node_(other.node_) {
  if (node_ != nullptr) {
    ++node_->references;
  }
}
inline NodeRef::~NodeRef() {
  if (node_ != nullptr && --node_->references == 0) {
    delete node_;
  }
}
inline bool NodeRef::is_shared() const { return node_->references > 1; }

}  // namespace krata::store
