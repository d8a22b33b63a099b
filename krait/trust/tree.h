// A tree of items under one hash, of which parts can be shown that prove themselves. Pure.
//
// Leaves are sorted by the bits of their keys, which are hashes, so that the tree is as deep as the logarithm of their
// number. A subtree without leaves has the hash of 32 zeros, one with a single leaf that leaf's hash, any other the
// hash of its two halves. So the same leaves always give the same root.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krait/crypto/hash.h"
#include "krait/trust/items.h"

namespace krait::trust {

using Key = crypto::Hash;

// Where things are. Those of the hosts' tree:
Key host_place(std::string_view name);                   // -> HostBinding
Key address_place(const common::Ip& address);            // -> the host's name
Key route_place(const common::Prefix& prefix);           // -> the host's name
Key removed_place(const crypto::Hash& grant_or_joined);  // -> nothing; what was taken back: a token or who came with it
// of the policy's tree:
Key identity_place(std::string_view name);  // -> IdentityItem; "*" too
Key settings_place();                       // -> Settings
// and of an identity's row:
Key pair_place(std::string_view other);  // -> PairRules

struct Leaf {
  Key key{};
  Bytes value;
};

// A node of a tree or of a part of one; nodes are shared and never change.
struct Node;
using NodePtr = std::shared_ptr<const Node>;  // null: no leaves

struct Node {
  enum class Kind : std::uint8_t {
    branch,
    leaf,
    stub,    // a leaf whose value is not shown
    pruned,  // a subtree of which only the hash is shown
  };
  Kind kind = Kind::pruned;
  crypto::Hash hash{};
  NodePtr left;                      // of a branch: the keys whose next bit is 0
  NodePtr right;                     // and 1
  std::unique_ptr<const Leaf> leaf;  // of a leaf; of a stub, whose value is the hash of the leaf's
};

crypto::Hash hash_of(const NodePtr& node);

// A whole tree. A value: copying it is cheap, and changing the copy leaves the original.
class Tree {
 public:
  [[nodiscard]] crypto::Hash root() const { return hash_of(node_); }
  [[nodiscard]] const Bytes* find(const Key& key) const;
  void put(const Key& key, Bytes value);  // adds or replaces
  void erase(const Key& key);             // if it is there
  [[nodiscard]] std::size_t size() const;
  void for_each(const std::function<void(const Key& key, const Bytes& value)>& visit) const;  // ascending by key
  [[nodiscard]] const NodePtr& node() const { return node_; }

  // From leaves in any order. Of several with one key some one stays.
  static Tree of(std::vector<std::pair<Key, Bytes>> leaves);

 private:
  NodePtr node_;
};

// What is known of one key by a part of a tree.
struct Shown {
  enum class What : std::uint8_t { present, absent, hidden };
  What what = What::hidden;
  const Bytes* value = nullptr;  // of `present`; valid as long as the part
};

// A part of a tree: what it shows is of the tree that has its root, whoever made the part.
class Part {
 public:
  Part() = default;
  explicit Part(NodePtr node) : node_(std::move(node)) {}

  [[nodiscard]] crypto::Hash root() const { return hash_of(node_); }
  // `hidden`: the part does not say, or it shows that there is a leaf and not its value.
  [[nodiscard]] Shown look_up(const Key& key) const;
  // Every leaf of the tree is shown with its value.
  [[nodiscard]] bool is_complete() const;
  void for_each(const std::function<void(const Key& key, const Bytes& value)>& visit) const;
  [[nodiscard]] const NodePtr& node() const { return node_; }
  // What was parsed as a difference that is none. False says nothing: two may show the same.
  [[nodiscard]] bool is_the_very(const Part& other) const { return node_ == other.node_; }

 private:
  NodePtr node_;
};

// The part that tells of these keys, present or not, and hides as much else as it can.
Part part_of(const Tree& tree, std::vector<Key> keys);
Part whole_of(const Tree& tree);

// Bytes for a part. With `known`, a part of some tree that the reader holds, what both have in common at the same place
// is left out: what has changed costs, not what there is.
Bytes encode_part(const Part& part, const Part* known = nullptr);

// Reads a part from hostile bytes. Takes memory in proportion to them and to `known`. Refuses what no tree has, and
// what leaves something out that `known` does not have.
common::Result<Part> parse_part(BytesView bytes, const Part* known = nullptr);

}  // namespace krait::trust
