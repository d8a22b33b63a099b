#include "krait/trust/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "krait/trust/network_test.h"
#include "krait/trust/node.h"

namespace krait::trust {
namespace {

Key key(unsigned number) { return crypto::hash_of("krait test", std::to_string(number)); }
Bytes value(unsigned number) { return {static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(number >> 8U)}; }

// The definition once more, slowly, from sorted leaves.
crypto::Hash root_by_definition(const std::map<Key, Bytes>& leaves, unsigned depth = 0) {
  if (leaves.empty()) {
    return {};
  }
  if (leaves.size() == 1) {
    return leaf_hash(leaves.begin()->first, value_hash(leaves.begin()->second));
  }
  std::map<Key, Bytes> left;
  std::map<Key, Bytes> right;
  for (const auto& [at, what] : leaves) {
    (bit_of(at, depth) ? right : left)[at] = what;
  }
  const crypto::Hash l = root_by_definition(left, depth + 1);
  const crypto::Hash r = root_by_definition(right, depth + 1);
  const std::array<BytesView, 2> pieces{BytesView(l), BytesView(r)};
  return crypto::hash_of("krait branch", pieces);
}

Tree tree_of(unsigned count) {
  Tree tree;
  for (unsigned i = 0; i < count; ++i) {
    tree.put(key(i), value(i));
  }
  return tree;
}

TEST(TreeTest, HasTheRootOfItsLeavesHoweverTheyCame) {
  Random random(7);
  std::map<Key, Bytes> leaves;
  Tree tree;
  for (int i = 0; i < 2000; ++i) {
    const unsigned number = random() % 300;
    if (random() % 3 == 0) {
      tree.erase(key(number));
      leaves.erase(key(number));
    } else {
      const unsigned content = random() % 5;
      tree.put(key(number), value(content));
      leaves[key(number)] = value(content);
    }
    if (i % 97 == 0) {
      ASSERT_EQ(tree.root(), root_by_definition(leaves)) << i;
      ASSERT_EQ(Tree::of({leaves.begin(), leaves.end()}).root(), tree.root());
    }
  }
  EXPECT_EQ(tree.size(), leaves.size());
  while (!leaves.empty()) {
    tree.erase(leaves.begin()->first);
    leaves.erase(leaves.begin());
  }
  EXPECT_EQ(tree.root(), crypto::Hash{});
}

TEST(TreeTest, HasOneLeafForAKey) { EXPECT_EQ(Tree::of({{key(1), value(1)}, {key(1), value(2)}}).size(), 1U); }

TEST(PartTest, TellsOfItsKeysAndHidesTheRest) {
  const Tree tree = tree_of(200);
  const Part part = part_of(tree, {key(3), key(150), key(1000)});
  EXPECT_EQ(part.root(), tree.root());
  const Shown shown = part.look_up(key(3));
  ASSERT_EQ(shown.what, Shown::What::present);
  EXPECT_EQ(*shown.value, value(3));
  EXPECT_EQ(part.look_up(key(1000)).what, Shown::What::absent);
  unsigned hidden = 0;
  for (unsigned i = 0; i < 200; ++i) {
    hidden += part.look_up(key(i)).what == Shown::What::hidden ? 1 : 0;
    EXPECT_NE(part.look_up(key(i)).what, Shown::What::absent) << "what is there is never shown to be absent";
  }
  EXPECT_EQ(hidden, 198U);
  EXPECT_FALSE(part.is_complete());
  EXPECT_TRUE(whole_of(tree).is_complete());
  EXPECT_TRUE(Part().is_complete());
}

TEST(PartTest, CostsSomeHashesInBytes) {
  const Tree tree = tree_of(10'000);
  EXPECT_LT(encode_part(part_of(tree, {key(3)})).size(), 1000U);
  // What has changed costs, not what there is.
  const Part whole = whole_of(tree);
  Tree changed = tree;
  changed.put(key(5), value(77));
  const Part next = whole_of(changed);
  const Bytes delta = encode_part(next, &whole);
  EXPECT_LT(delta.size(), 150U);
  const auto read = parse_part(delta, &whole);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->root(), changed.root());
  EXPECT_TRUE(read->is_complete());
}

TEST(PartTest, ReadsBackWhatItWrote) {
  Random random(11);
  Part known;
  Tree tree;
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < 10; ++k) {
      const unsigned number = random() % 100;
      random() % 2 == 0 ? tree.erase(key(number)) : tree.put(key(number), value(random() % 7));
    }
    std::vector<Key> keys;
    for (unsigned k = random() % 20; k > 0; --k) {
      keys.push_back(key(random() % 120));
    }
    const Part part = part_of(tree, keys);
    for (const Part* before : {static_cast<const Part*>(nullptr), static_cast<const Part*>(&known)}) {
      const auto read = parse_part(encode_part(part, before), before);
      ASSERT_TRUE(read) << read.error().text();
      ASSERT_EQ(read->root(), tree.root());
      ASSERT_EQ(encode_part(*read), encode_part(part)) << "it shows the same, whatever was left out";
    }
    known = part;
  }
}

std::string refusal(const Bytes& bytes, const Part* known = nullptr) {
  const auto part = parse_part(bytes, known);
  return part ? "" : part.error().text();
}

Bytes joined(std::initializer_list<BytesView> pieces) {
  Bytes bytes;
  for (const BytesView piece : pieces) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
  return bytes;
}

TEST(PartTest, RefusesWhatNoTreeHas) {
  const Key low{};  // its bits are all 0
  const Bytes leaf = joined({Bytes{3}, low, Bytes{0, 0, 0, 0}});
  const Bytes pruned = joined({Bytes{1}, key(1)});
  EXPECT_EQ(refusal(leaf), "");
  EXPECT_NE(refusal(joined({Bytes{4}, pruned, leaf})).find("another's place"), std::string::npos);
  EXPECT_EQ(refusal(joined({Bytes{4}, leaf, pruned})), "");
  EXPECT_NE(refusal(joined({Bytes{4}, leaf, Bytes{0}})).find("less than two leaves"), std::string::npos);
  EXPECT_NE(refusal(Bytes{4, 0, 0}).find("less than two leaves"), std::string::npos);
  EXPECT_NE(refusal(joined({leaf, Bytes{0}})).find("more than"), std::string::npos);
  EXPECT_NE(refusal(Bytes{6}).find("no kind"), std::string::npos);
  EXPECT_NE(refusal(Bytes{5}).find("leaves out"), std::string::npos);
  EXPECT_NE(refusal(Bytes{}).find("too short"), std::string::npos);
  EXPECT_NE(refusal(Bytes(200, 4)).find("too deep"), std::string::npos);
  EXPECT_NE(refusal(joined({Bytes{3}, low, Bytes{255, 255, 255, 255}})).find("too long"), std::string::npos);
}

// Which would take a hundred times the memory of what was sent.
TEST(PartTest, RefusesNothingButBranches) {
  Bytes bytes;
  for (int i = 0; i < 200; ++i) {
    bytes.push_back(4);
  }
  for (int i = 0; i < 100; ++i) {
    bytes.insert(bytes.end(), 120, 4);
    bytes.insert(bytes.end(), 120, 0);
  }
  EXPECT_NE(refusal(bytes), "");
  Bytes wide;
  const auto grow = [&](const auto& self, unsigned depth) -> void {
    wide.push_back(4);
    for (int side = 0; side < 2; ++side) {
      if (depth < 7) {
        self(self, depth + 1);
        continue;
      }
      for (int k = 0; k < 100; ++k) {
        wide.push_back(4);
        wide.push_back(0);
      }
      wide.push_back(4);
      for (int end = 0; end < 2; ++end) {
        wide.push_back(1);
        wide.insert(wide.end(), 32, 7);
      }
    }
  };
  grow(grow, 0);
  EXPECT_NE(refusal(wide).find("too many branches"), std::string::npos) << wide.size();
}

}  // namespace
}  // namespace krait::trust
