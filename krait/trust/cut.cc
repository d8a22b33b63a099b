#include "krait/trust/cut.h"

#include <algorithm>

#include "krait/trust/mark.h"
#include "krait/trust/node.h"

namespace krait::trust {

namespace {

using Keys = std::span<const Key>;

// A node and the keys that are asked for below it.
struct Place {
  const Node* node = nullptr;
  Keys keys;
  Keys own;

  [[nodiscard]] bool is_asked() const { return !keys.empty() || !own.empty(); }
  [[nodiscard]] bool shows(const Key& key) const {
    return std::ranges::binary_search(keys, key) || std::ranges::binary_search(own, key);
  }
};

Place top_of(const Cut& cut) { return {cut.tree.node().get(), cut.keys, cut.own}; }

Keys half_of(Keys keys, unsigned depth, bool right) {
  const auto middle = std::ranges::partition_point(keys, [&](const Key& key) { return !bit_of(key, depth); });
  const auto left = static_cast<std::size_t>(middle - keys.begin());
  return right ? keys.subspan(left) : keys.first(left);
}

// What there is for a reader below: nothing where the part ends.
Place child_of(const Place& place, unsigned depth, bool right) {
  if (place.node == nullptr || place.node->kind != Node::Kind::branch || !place.is_asked()) {
    return {};
  }
  return {(right ? place.node->right : place.node->left).get(), half_of(place.keys, depth, right),
          half_of(place.own, depth, right)};
}

bool are_equal(Keys a, Keys b) { return a.size() == b.size() && (a.data() == b.data() || std::ranges::equal(a, b)); }

// The same of the same tree: so the parts have the same here.
bool are_same(const Place& a, const Place& b) {
  return a.node != nullptr && b.node != nullptr && a.node->hash == b.node->hash && are_equal(a.keys, b.keys) &&
         are_equal(a.own, b.own);
}

void write(Writer& writer, const Place& place, const Place& known, unsigned depth) {
  if (place.node == nullptr) {
    write_mark(writer, Mark::nothing);
    return;
  }
  if (are_same(place, known)) {
    write_mark(writer, Mark::same);
    return;
  }
  if (!place.is_asked()) {
    write_mark(writer, Mark::pruned);
    writer.raw(place.node->hash);
    return;
  }
  if (place.node->kind != Node::Kind::leaf) {
    write_mark(writer, Mark::branch);
    write(writer, child_of(place, depth, false), child_of(known, depth, false), depth + 1);
    write(writer, child_of(place, depth, true), child_of(known, depth, true), depth + 1);
    return;
  }
  const Leaf& leaf = *place.node->leaf;
  const bool is_shown = place.shows(leaf.key);
  write_mark(writer, is_shown ? Mark::leaf : Mark::stub);
  writer.raw(leaf.key);
  if (is_shown) {
    writer.blob(leaf.value);
  } else {
    writer.raw(value_hash(leaf.value));
  }
}

}  // namespace

Bytes encode_cut(const Cut& cut, const Cut* known) {
  Writer writer;
  write(writer, top_of(cut), known == nullptr ? Place() : top_of(*known), 0);
  return writer.take();
}

bool is_untold(const Cut& now, const Cut& then, const Key& key) {
  Place place = top_of(now);
  Place known = top_of(then);
  if (place.shows(key) || known.shows(key)) {
    return place.shows(key) && known.shows(key);
  }
  // Along the key's path, up to where nothing is written of what lies below. A part that ends before, on either side,
  // would go further with the key.
  for (unsigned depth = 0; place.node != nullptr && !are_same(place, known); ++depth) {
    if (!place.is_asked() || (known.node != nullptr && !known.is_asked())) {
      return false;
    }
    if (place.node->kind == Node::Kind::leaf) {
      return place.node->leaf->key != key;
    }
    const bool right = bit_of(key, depth);
    place = child_of(place, depth, right);
    known = child_of(known, depth, right);
  }
  return true;
}

}  // namespace krait::trust
