// Nodes of trees: how they are made, and what their hashes are of.
#pragma once

#include <functional>

#include "krait/trust/tree.h"

namespace krait::trust {

inline constexpr unsigned kMaxDepth = 256;  // bits of a key

bool bit_of(const Key& key, unsigned depth);

crypto::Hash value_hash(BytesView value);
crypto::Hash leaf_hash(const Key& key, const crypto::Hash& of_value);

NodePtr make_leaf(const Key& key, Bytes value);
NodePtr make_stub(const Key& key, const crypto::Hash& of_value);
NodePtr make_pruned(const crypto::Hash& hash);
// `known`: the hash, where the caller has it already.
NodePtr make_branch(NodePtr left, NodePtr right, const crypto::Hash* known = nullptr);

// Those whose value is shown.
void visit_leaves(const NodePtr& node, const std::function<void(const Key&, const Bytes&)>& visit);

}  // namespace krait::trust
