// The compiled image against a linear scan of the rules, without root.
#include "krait/compile/evaluate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/differential/random_policy.h"
#include "tests/model/naive.h"

namespace krait::differential {
namespace {

std::optional<std::string> compare_once(Random& random, const Revision& revision, const compile::Snapshot& snapshot,
                                        const naive::Defects& defects) {
  const std::uint32_t from = random.below(revision.policy.identities.size());
  const std::uint32_t to = random.below(revision.policy.identities.size());
  const std::uint32_t selector = interesting_selector(random);
  const compile::Judgement judgement = compile::evaluate(snapshot, {from, to, selector});
  const naive::Opinion compiled{judgement.action == model::Action::allow, judgement.rule, judgement.expired};
  const naive::Opinion expected = naive::opinion(revision.policy, from, to, selector, defects);
  if (compiled == expected) {
    return std::nullopt;
  }
  return fmt::format("from {} to {} selector {}: compiled {} rule {}, model {} rule {}", from, to, selector,
                     compiled.allowed, compiled.rule ? static_cast<int>(*compiled.rule) : -1, expected.allowed,
                     expected.rule ? static_cast<int>(*expected.rule) : -1);
}

std::optional<std::string> compare(std::uint64_t seed, const naive::Defects& defects) {
  Random random(seed);
  const AddressPool pool(random);
  const Revision revision = random_revision(random, pool);
  const auto snapshot = compile::compile_snapshot(revision.bindings, revision.policy, seed);
  if (!snapshot) {
    return snapshot.error().text();
  }
  for (int i = 0; i < 500; ++i) {
    if (auto difference = compare_once(random, revision, *snapshot, defects)) {
      return difference;
    }
  }
  return std::nullopt;
}

constexpr std::uint64_t kSeeds = 400;

TEST(Evaluate, AgreesWithTheNaiveModelOnRandomPolicies) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto difference = compare(seed, {});
    ASSERT_FALSE(difference) << "seed " << seed << ": " << *difference;
  }
}

bool found(const naive::Defects& defects) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    if (compare(seed, defects)) {
      return true;
    }
  }
  return false;
}

TEST(Evaluate, WouldFindPlantedDefects) {
  EXPECT_TRUE(found({.range_edge = true}));
  EXPECT_TRUE(found({.direction = true}));
  EXPECT_TRUE(found({.class_merge = true}));
  EXPECT_TRUE(found({.allow_wins = true}));
}

}  // namespace
}  // namespace krait::differential
