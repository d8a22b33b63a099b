#include "krata/store/tree.h"

#include <algorithm>

namespace krata::store {

namespace {

std::size_t bytes_of(const Node& node) {
  return sizeof(Node) + node.name.size() + node.value.size() + node.children.size() * sizeof(NodeRef);
}

auto place_of(auto& children, std::string_view name) {
  return std::ranges::lower_bound(children, name, {},
                                  [](const NodeRef& child) -> std::string_view { return child->name; });
}

bool is_at(const auto& children, auto place, std::string_view name) {
  return place != children.end() && (*place)->name == name;
}

}  // namespace

const Node* Node::child(std::string_view wanted) const {
  const auto place = place_of(children, wanted);
  return is_at(children, place, wanted) ? &**place : nullptr;
}

std::vector<const Node*> Node::children_by_birth() const {
  std::vector<const Node*> ordered;
  ordered.reserve(children.size());
  for (const NodeRef& child : children) {
    ordered.push_back(&*child);
  }
  std::ranges::sort(ordered, {}, [](const Node* node) { return node->birth; });
  return ordered;
}

std::string Node::listing() const {
  std::string names;
  names.reserve(listing_bytes);
  for (const Node* child : children_by_birth()) {
    names.append(child->name).push_back('\0');
  }
  return names;
}

Tree::Tree() : root_(new Node) {
  root_.unshared().permissions = std::make_shared<const Permissions>(Permissions{{}});
  count(0, 1);
}

const Node* Tree::find(std::string_view path) const {
  const Node* node = &*root_;
  for (std::string_view rest = path.substr(1); !rest.empty() && node != nullptr;) {
    node = node->child(next_name(rest));
  }
  return node;
}

const Node& Tree::nearest(std::string_view path) const {
  const Node* node = &*root_;
  for (std::string_view rest = path.substr(1); !rest.empty();) {
    const Node* next = node->child(next_name(rest));
    if (next == nullptr) {
      break;
    }
    node = next;
  }
  return *node;
}

std::uint32_t Tree::nodes_of(DomainId domain) const {
  const auto found = owned_.find(domain);
  return found == owned_.end() ? 0 : found->second;
}

void Tree::count(DomainId owner, int by) {
  const auto entry = owned_.try_emplace(owner, 0).first;
  entry->second += static_cast<std::uint32_t>(by);
  if (entry->second == 0) {
    owned_.erase(entry);
  }
}

void Tree::unshare(NodeRef& ref) {
  if (ref.is_shared()) {
    auto* copy = new Node(*ref);
    copy->references = 0;
    copied_bytes_ += bytes_of(*copy);
    ref = NodeRef(copy);
  }
}

Node& Tree::own_child(Node& parent, std::string_view name) {
  NodeRef& child = *place_of(parent.children, name);
  unshare(child);
  return child.unshared();
}

Node& Tree::own(std::string_view path) {
  unshare(root_);
  Node* node = &root_.unshared();
  for (std::string_view rest = path.substr(1); !rest.empty();) {
    node = &own_child(*node, next_name(rest));
  }
  return *node;
}

void Tree::apply(const TreeChange& change) {
  ++generation_;
  switch (change.kind) {
    case TreeChange::Kind::create:
      create(change);
      return;
    case TreeChange::Kind::remove:
      remove(change.path);
      return;
    case TreeChange::Kind::write: {
      Node& node = own(change.path);
      node.value = change.value;
      node.generation = generation_;
      return;
    }
    case TreeChange::Kind::set_permissions: {
      Node& node = own(change.path);
      count(node.permissions->front().domain, -1);
      count(change.permissions->front().domain, 1);
      node.permissions = change.permissions;
      node.generation = generation_;
      return;
    }
  }
}

void Tree::create(const TreeChange& change) {
  Node& parent = own(parent_of(change.path));
  const std::string_view name = leaf_of(change.path);
  NodeRef ref(new Node);
  Node& node = ref.unshared();
  node.name = name;
  node.value = change.value;
  node.permissions = change.permissions;
  node.generation = generation_;
  node.birth = generation_;
  parent.children.insert(place_of(parent.children, name), std::move(ref));
  parent.generation = generation_;
  parent.listing_bytes += static_cast<std::uint32_t>(name.size() + 1);
  count(change.permissions->front().domain, 1);
}

void Tree::remove(const std::string& path) {
  Node& parent = own(parent_of(path));
  const std::string_view name = leaf_of(path);
  const auto place = place_of(parent.children, name);
  forget(**place);
  parent.children.erase(place);
  parent.generation = generation_;
  parent.listing_bytes -= static_cast<std::uint32_t>(name.size() + 1);
}

void Tree::forget(const Node& node) {
  count(node.permissions->front().domain, -1);
  for (const NodeRef& child : node.children) {
    forget(*child);
  }
}

void Tree::restore_root(std::string value, SharedPermissions permissions) {
  unshare(root_);
  Node& root = root_.unshared();
  count(root.permissions->front().domain, -1);
  count(permissions->front().domain, 1);
  root.value = std::move(value);
  root.permissions = std::move(permissions);
}

void Tree::restore_node_generation(std::string_view path, std::uint64_t generation) {
  own(path).generation = generation;
}

}  // namespace krata::store
