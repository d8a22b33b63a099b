// Parts of trees: what they show, and their bytes.
#include <algorithm>
#include <span>

#include "krait/trust/codec.h"
#include "krait/trust/mark.h"
#include "krait/trust/node.h"

namespace krait::trust {

using common::Result;
using crypto::Hash;

namespace {

// Deeper than this nobody's keys agree: that would take 2^127 names to choose from.
constexpr unsigned kMaxPartDepth = 128;

NodePtr cut(const NodePtr& node, std::span<const Key> keys, unsigned depth) {
  if (!node) {
    return nullptr;
  }
  if (keys.empty()) {
    return make_pruned(node->hash);
  }
  if (node->kind == Node::Kind::leaf) {
    const bool is_asked = std::ranges::binary_search(keys, node->leaf->key);
    return is_asked ? node : make_stub(node->leaf->key, value_hash(node->leaf->value));
  }
  const auto middle = std::ranges::partition_point(keys, [&](const Key& key) { return !bit_of(key, depth); });
  const auto left = static_cast<std::size_t>(middle - keys.begin());
  return make_branch(cut(node->left, keys.first(left), depth + 1), cut(node->right, keys.subspan(left), depth + 1),
                     &node->hash);
}

bool is_whole(const NodePtr& node) {
  return !node || node->kind == Node::Kind::leaf ||
         (node->kind == Node::Kind::branch && is_whole(node->left) && is_whole(node->right));
}

// Both show the same of the same.
bool are_same(const NodePtr& a, const NodePtr& b) {
  if (a == b) {
    return true;
  }
  return a && b && a->kind == b->kind && a->hash == b->hash &&
         (a->kind != Node::Kind::branch || (are_same(a->left, b->left) && are_same(a->right, b->right)));
}

const NodePtr& child_of(const NodePtr& node, bool right) {
  static const NodePtr kNothing;
  if (!node || node->kind != Node::Kind::branch) {
    return kNothing;
  }
  return right ? node->right : node->left;
}

void write_node(Writer& writer, const NodePtr& node, const NodePtr& known) {
  if (!node) {
    write_mark(writer, Mark::nothing);
    return;
  }
  // Of a pruned subtree too: a byte in the place of a hash.
  if (known && are_same(node, known)) {
    write_mark(writer, Mark::same);
    return;
  }
  switch (node->kind) {
    case Node::Kind::pruned:
      write_mark(writer, Mark::pruned);
      writer.raw(node->hash);
      return;
    case Node::Kind::stub:
      write_mark(writer, Mark::stub);
      writer.raw(node->leaf->key);
      writer.append(node->leaf->value);
      return;
    case Node::Kind::leaf:
      write_mark(writer, Mark::leaf);
      writer.raw(node->leaf->key);
      writer.blob(node->leaf->value);
      return;
    case Node::Kind::branch:
      write_mark(writer, Mark::branch);
      write_node(writer, node->left, child_of(known, false));
      write_node(writer, node->right, child_of(known, true));
      return;
  }
}

class NodeReader {
 public:
  // A branch is a byte to its sender and a hundred to its reader. In a difference those on the way to a changed leaf
  // take two bytes each, else there are hardly more of them than of what they lead to.
  NodeReader(BytesView bytes, bool is_difference)
      : reader_(bytes, "a part of a tree"), branches_left_(4096 + bytes.size() / (is_difference ? 2 : 16)) {}

  Result<Part> read(const NodePtr& known) {
    NodePtr node = read_node(known, 0);
    KRAIT_CHECK(reader_.finish());
    return Part(std::move(node));
  }

 private:
  NodePtr read_node(const NodePtr& known, unsigned depth) {
    const auto which = static_cast<Mark>(reader_.number(1));
    reader_.require(which <= Mark::same, "a node of no kind");
    if (!reader_.good()) {
      return nullptr;
    }
    switch (which) {
      case Mark::nothing:
        return nullptr;
      case Mark::same:
        reader_.require(known != nullptr, "it leaves out what is not there");
        return known;
      case Mark::pruned: {
        Hash hash{};
        reader_.raw(hash);
        return make_pruned(hash);
      }
      case Mark::stub:
      case Mark::leaf:
        return read_leaf(which == Mark::leaf, depth);
      case Mark::branch:
        return read_branch(known, depth);
    }
    return nullptr;
  }

  NodePtr read_leaf(bool has_value, unsigned depth) {
    Key key{};
    reader_.raw(key);
    for (unsigned i = 0; i < depth; ++i) {
      reader_.require(bit_of(key, i) == bit_of(path_, i), "a leaf in another's place");
    }
    if (has_value) {
      const BytesView value = reader_.blob(kMaxItemBytes);
      return make_leaf(key, Bytes(value.begin(), value.end()));
    }
    Hash of_value{};
    reader_.raw(of_value);
    return make_stub(key, of_value);
  }

  NodePtr read_branch(const NodePtr& known, unsigned depth) {
    reader_.require(depth < kMaxPartDepth, "too deep");
    reader_.require(branches_left_ > 0, "too many branches");
    if (!reader_.good()) {
      return nullptr;
    }
    --branches_left_;
    set_bit(depth, false);
    NodePtr left = read_node(child_of(known, false), depth + 1);
    set_bit(depth, true);
    NodePtr right = read_node(child_of(known, true), depth + 1);
    set_bit(depth, false);
    const auto is_single = [](const NodePtr& a, const NodePtr& b) {
      return !a && (!b || b->kind == Node::Kind::leaf || b->kind == Node::Kind::stub);
    };
    reader_.require(!is_single(left, right) && !is_single(right, left), "a branch with less than two leaves");
    return make_branch(std::move(left), std::move(right));
  }

  void set_bit(unsigned depth, bool on) {
    const auto bit = static_cast<std::uint8_t>(1U << (7 - depth % 8));
    path_[depth / 8] = static_cast<std::uint8_t>(on ? path_[depth / 8] | bit : path_[depth / 8] & ~bit);
  }

  Reader reader_;
  std::size_t branches_left_;
  Key path_{};
};

}  // namespace

Shown Part::look_up(const Key& key) const {
  const Node* node = node_.get();
  for (unsigned depth = 0; node != nullptr; ++depth) {
    switch (node->kind) {
      case Node::Kind::pruned:
        return {};
      case Node::Kind::stub:
        return {.what = node->leaf->key == key ? Shown::What::hidden : Shown::What::absent};
      case Node::Kind::leaf:
        return node->leaf->key == key ? Shown{.what = Shown::What::present, .value = &node->leaf->value}
                                      : Shown{.what = Shown::What::absent};
      case Node::Kind::branch:
        node = (bit_of(key, depth) ? node->right : node->left).get();
        break;
    }
  }
  return {.what = Shown::What::absent};
}

bool Part::is_complete() const { return is_whole(node_); }

void Part::for_each(const std::function<void(const Key& key, const Bytes& value)>& visit) const {
  visit_leaves(node_, visit);
}

Part part_of(const Tree& tree, std::vector<Key> keys) {
  std::ranges::sort(keys);
  const auto twice = std::ranges::unique(keys);
  keys.erase(twice.begin(), twice.end());
  return Part(cut(tree.node(), keys, 0));
}

Part whole_of(const Tree& tree) { return Part(tree.node()); }

Bytes encode_part(const Part& part, const Part* known) {
  Writer writer;
  write_node(writer, part.node(), known == nullptr ? nullptr : known->node());
  return writer.take();
}

Result<Part> parse_part(BytesView bytes, const Part* known) {
  return NodeReader(bytes, known != nullptr).read(known == nullptr ? nullptr : known->node());
}

}  // namespace krait::trust
