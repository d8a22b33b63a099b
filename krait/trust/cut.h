// Bytes of parts of trees that nobody makes: what part_of() would show is written straight from the tree. Pure.
#pragma once

#include <span>

#include "krait/trust/tree.h"

namespace krait::trust {

// The part of a tree that tells of these keys, present or not. The spans outlive it.
struct Cut {
  const Tree& tree;
  std::span<const Key> keys;   // ascending, all different
  std::span<const Key> own{};  // the same; besides
};

// What encode_part() gives for that part and, with `known`, for what has changed since that one. Where both show the
// same by other keys, it may be larger. Costs what differs, and of the keys no more than to compare them.
Bytes encode_cut(const Cut& cut, const Cut* known = nullptr);

// Whether encode_cut(now, &then) is the same bytes when `key` is asked for in both as well; of cuts without `own`.
bool is_untold(const Cut& now, const Cut& then, const Key& key);

}  // namespace krait::trust
