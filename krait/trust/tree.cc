#include "krait/trust/tree.h"

#include <algorithm>

#include "krait/trust/node.h"

namespace krait::trust {

using crypto::Hash;

namespace {

Key place(std::string_view domain, std::string_view text) { return crypto::hash_of(domain, text); }

Key place(std::string_view domain, const common::Prefix& prefix) {
  std::array<std::uint8_t, 18> bytes{};
  bytes[0] = static_cast<std::uint8_t>(prefix.ip.family);
  bytes[1] = prefix.length;
  std::ranges::copy(prefix.ip.bytes, bytes.begin() + 2);
  return crypto::hash_of(domain, bytes);
}

// Where both leaves go below a node at this depth.
NodePtr parted(NodePtr a, NodePtr b, unsigned depth) {
  const bool a_right = bit_of(a->leaf->key, depth);
  const bool b_right = bit_of(b->leaf->key, depth);
  if (a_right == b_right) {
    NodePtr below = parted(std::move(a), std::move(b), depth + 1);
    return a_right ? make_branch(nullptr, std::move(below)) : make_branch(std::move(below), nullptr);
  }
  return a_right ? make_branch(std::move(b), std::move(a)) : make_branch(std::move(a), std::move(b));
}

NodePtr with(const NodePtr& node, NodePtr leaf, unsigned depth) {
  if (!node) {
    return leaf;
  }
  if (node->kind == Node::Kind::leaf) {
    return node->leaf->key == leaf->leaf->key ? leaf : parted(node, std::move(leaf), depth);
  }
  if (bit_of(leaf->leaf->key, depth)) {
    return make_branch(node->left, with(node->right, std::move(leaf), depth + 1));
  }
  return make_branch(with(node->left, std::move(leaf), depth + 1), node->right);
}

NodePtr without(const NodePtr& node, const Key& key, unsigned depth) {
  if (!node) {
    return nullptr;
  }
  if (node->kind == Node::Kind::leaf) {
    return node->leaf->key == key ? nullptr : node;
  }
  const bool right = bit_of(key, depth);
  NodePtr child = without(right ? node->right : node->left, key, depth + 1);
  const NodePtr& other = right ? node->left : node->right;
  if (child == (right ? node->right : node->left)) {
    return node;
  }
  if (!other && (!child || child->kind == Node::Kind::leaf)) {
    return child;
  }
  if (!child && other->kind == Node::Kind::leaf) {
    return other;
  }
  return right ? make_branch(other, std::move(child)) : make_branch(std::move(child), other);
}

using Leaves = std::vector<std::pair<Key, Bytes>>;

// Of leaves in order, from..to.
NodePtr built(Leaves& leaves, std::size_t from, std::size_t to, unsigned depth) {
  if (from == to) {
    return nullptr;
  }
  if (to - from == 1) {
    return make_leaf(leaves[from].first, std::move(leaves[from].second));
  }
  const auto begin = leaves.begin() + static_cast<std::ptrdiff_t>(from);
  const auto end = leaves.begin() + static_cast<std::ptrdiff_t>(to);
  const auto middle = std::partition_point(begin, end, [&](const auto& leaf) { return !bit_of(leaf.first, depth); });
  const auto at = static_cast<std::size_t>(middle - leaves.begin());
  NodePtr left = built(leaves, from, at, depth + 1);
  return make_branch(std::move(left), built(leaves, at, to, depth + 1));
}

}  // namespace

Key host_place(std::string_view name) { return place("krait host", name); }
Key address_place(const common::Ip& address) { return place("krait address", common::Prefix::host(address)); }
Key route_place(const common::Prefix& prefix) { return place("krait route", prefix); }
Key removed_place(const Hash& grant_or_joined) { return crypto::hash_of("krait removed", grant_or_joined); }
Key identity_place(std::string_view name) { return place("krait identity", name); }
Key settings_place() { return place("krait settings", std::string_view()); }
Key pair_place(std::string_view other) { return place("krait pair", other); }

bool bit_of(const Key& key, unsigned depth) { return ((key[depth / 8] >> (7 - depth % 8)) & 1U) != 0; }

Hash hash_of(const NodePtr& node) { return node ? node->hash : Hash{}; }

Hash value_hash(BytesView value) { return crypto::hash_of("krait value", value); }

Hash leaf_hash(const Key& key, const Hash& of_value) {
  const std::array<BytesView, 2> pieces{BytesView(key), BytesView(of_value)};
  return crypto::hash_of("krait leaf", pieces);
}

NodePtr make_leaf(const Key& key, Bytes value) {
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::leaf;
  node->hash = leaf_hash(key, value_hash(value));
  node->leaf = std::make_unique<const Leaf>(Leaf{.key = key, .value = std::move(value)});
  return node;
}

NodePtr make_stub(const Key& key, const Hash& of_value) {
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::stub;
  node->hash = leaf_hash(key, of_value);
  node->leaf = std::make_unique<const Leaf>(Leaf{.key = key, .value = Bytes(of_value.begin(), of_value.end())});
  return node;
}

NodePtr make_pruned(const Hash& hash) {
  auto node = std::make_shared<Node>();
  node->hash = hash;
  return node;
}

NodePtr make_branch(NodePtr left, NodePtr right, const Hash* known) {
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::branch;
  if (known != nullptr) {
    node->hash = *known;
  } else {
    const Hash left_hash = hash_of(left);
    const Hash right_hash = hash_of(right);
    const std::array<BytesView, 2> pieces{BytesView(left_hash), BytesView(right_hash)};
    node->hash = crypto::hash_of("krait branch", pieces);
  }
  node->left = std::move(left);
  node->right = std::move(right);
  return node;
}

void visit_leaves(const NodePtr& node, const std::function<void(const Key&, const Bytes&)>& visit) {
  if (!node) {
    return;
  }
  if (node->kind == Node::Kind::leaf) {
    visit(node->leaf->key, node->leaf->value);
  }
  visit_leaves(node->left, visit);
  visit_leaves(node->right, visit);
}

const Bytes* Tree::find(const Key& key) const {
  const Shown shown = Part(node_).look_up(key);
  return shown.what == Shown::What::present ? shown.value : nullptr;
}

void Tree::put(const Key& key, Bytes value) { node_ = with(node_, make_leaf(key, std::move(value)), 0); }

void Tree::erase(const Key& key) { node_ = without(node_, key, 0); }

std::size_t Tree::size() const {
  std::size_t count = 0;
  for_each([&](const Key&, const Bytes&) { ++count; });
  return count;
}

void Tree::for_each(const std::function<void(const Key& key, const Bytes& value)>& visit) const {
  visit_leaves(node_, visit);
}

Tree Tree::of(Leaves leaves) {
  std::ranges::sort(leaves, {}, &std::pair<Key, Bytes>::first);
  const auto twice = std::ranges::unique(leaves, {}, &std::pair<Key, Bytes>::first);
  leaves.erase(twice.begin(), twice.end());
  Tree tree;
  tree.node_ = built(leaves, 0, leaves.size(), 0);
  return tree;
}

}  // namespace krait::trust
