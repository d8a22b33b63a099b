// Edits of a compiled policy decide as the changed policy compiled anew, and as the naive model says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "krait/compile/editor.h"
#include "krait/compile/evaluate.h"
#include "tests/differential/random_policy.h"
#include "tests/model/naive.h"

namespace krait::differential {
namespace {

void apply(const std::vector<compile::Patch>& patches, compile::Snapshot& snapshot) {
  for (const compile::Patch& patch : patches) {
    ASSERT_LE(patch.offset + sizeof(patch.word), snapshot.image.size());
    std::memcpy(snapshot.image.data() + patch.offset, &patch.word, sizeof(patch.word));
  }
}

// A rule that an edit may bring about: what two rules say, mixed, or nothing.
model::Rule edited(Random& random, const model::Policy& policy, std::uint32_t index) {
  model::Rule rule = policy.rules[index];
  const model::Rule& other = policy.rules[random.below(policy.rules.size())];
  switch (random.below(5)) {
    case 0:
      rule.selectors.clear();
      break;
    case 1:
      rule.action = rule.action == model::Action::allow ? model::Action::deny : model::Action::allow;
      break;
    case 2:
      rule.from = other.from;
      break;
    case 3:
      rule.to = other.to;
      break;
    default:
      rule.selectors = other.selectors;
      break;
  }
  return rule;
}

struct Tally {
  int edits = 0;
  int refusals = 0;
};

// Edits one policy again and again, and asks the same of the edited image and of the model.
void compare(std::uint64_t seed, const naive::Defects& defects, Tally& tally, bool& differs) {
  Random random(seed);
  const AddressPool pool(random);
  const Revision revision = random_revision(random, pool);
  if (revision.policy.rules.empty()) {
    return;
  }
  auto editor = compile::Editor::create(revision.bindings, revision.policy, 1);
  ASSERT_TRUE(editor) << editor.error().text();
  compile::Snapshot snapshot = editor->snapshot();
  for (int round = 0; round < 30; ++round) {
    const std::uint32_t index = random.below(revision.policy.rules.size());
    const auto patches = editor->replace(index, edited(random, editor->policy(), index));
    if (!patches) {
      ++tally.refusals;
      continue;
    }
    ++tally.edits;
    apply(*patches, snapshot);
    for (int i = 0; i < 40; ++i) {
      const std::uint32_t from = random.below(revision.policy.identities.size());
      const std::uint32_t to = random.below(revision.policy.identities.size());
      const std::uint32_t selector = interesting_selector(random);
      const compile::Judgement judgement = compile::evaluate(snapshot, {from, to, selector});
      const naive::Opinion expected = naive::opinion(editor->policy(), from, to, selector, defects);
      const naive::Opinion said{judgement.action == model::Action::allow, judgement.rule, judgement.expired};
      differs = differs || said != expected;
      ASSERT_TRUE(said == expected || defects.range_edge)
          << fmt::format("seed {} round {}: from {} to {} selector {}: {} not {}", seed, round, from, to, selector,
                         said.allowed, expected.allowed);
    }
  }
}

TEST(Editor, AgreesWithTheNaiveModel) {
  Tally tally;
  bool differs = false;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    compare(seed, {}, tally, differs);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_FALSE(differs);
  EXPECT_GT(tally.edits, 1000);
  EXPECT_GT(tally.refusals, 100);
}

TEST(Editor, WouldFindAPlantedDefect) {
  Tally tally;
  bool differs = false;
  for (std::uint64_t seed = 1; seed <= 500 && !differs; ++seed) {
    compare(seed, {.range_edge = true}, tally, differs);
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace krait::differential
