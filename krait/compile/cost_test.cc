// Policies that multiply: what they decide, and that they are compiled or refused before they cost much.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/compile/evaluate.h"

namespace krait::compile {
namespace {

using model::Action;
using Random = std::mt19937;

// Generous, for sanitizers; what is not bounded takes minutes.
constexpr double kMaxSeconds = 20;

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

model::SelectorRange tcp(std::uint32_t first, std::uint32_t last) {
  return {KRAIT_SELECTOR_TCP + first, KRAIT_SELECTOR_TCP + last};
}
constexpr model::SelectorRange kEverything{0, KRAIT_SELECTORS - 1};

model::Policy policy_of(std::uint32_t identities) {
  model::Policy policy;
  policy.file = "policy.toml";
  for (std::uint32_t i = 0; i < identities; ++i) {
    policy.identities.push_back({"i" + std::to_string(i), 100 + i, {}});
  }
  return policy;
}

model::Rule& add_rule(model::Policy& policy, Action action, model::Subjects from, model::Subjects to,
                      model::SelectorRange ports) {
  policy.rules.push_back({.name = "r" + std::to_string(policy.rules.size()),
                          .action = action,
                          .from = std::move(from),
                          .to = std::move(to),
                          .selectors = {ports},
                          .at = {}});
  return policy.rules.back();
}

void expire(model::Rule& rule, std::uint32_t seconds) {
  rule.expires = model::Expiry{model::Expiry::Kind::at, seconds};
}

// Compiled or refused, in time.
std::string said(const model::Policy& policy, const Bounds& bounds = {}) {
  const double begin = cpu_s();
  const auto snapshot = compile_snapshot({}, policy, 1, {}, bounds);
  EXPECT_LT(cpu_s() - begin, kMaxSeconds);
  return snapshot ? "compiled" : snapshot.error().text();
}

constexpr std::uint32_t kMany = 100'000;

TEST(Cost, AsManyExpiriesAsRulesOnOnePair) {
  model::Policy policy = policy_of(2);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    expire(add_rule(policy, Action::allow, {false, {0}}, {false, {1}}, kEverything), 1 + i);
  }
  EXPECT_NE(said(policy).find("100000 expiries change what one packet may do, 99745 more than the limit of 255"),
            std::string::npos);
}

TEST(Cost, ExpiriesThatHideEachOtherAreNoMoments) {
  model::Policy policy = policy_of(2);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    expire(add_rule(policy, i % 2 == 0 ? Action::allow : Action::deny, {false, {0}}, {false, {1}},
                    tcp(1 + i % 30'000, 65'535 - i % 30'000)),
           kMany - i);
  }
  EXPECT_EQ(said(policy), "compiled");
}

TEST(Cost, NestedRangesWithExpiriesAreBoundedByTheirMoments) {
  model::Policy policy = policy_of(2);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    expire(add_rule(policy, Action::allow, {false, {0}}, {false, {1}}, tcp(1 + i % 30'000, 65'535)), 1 + i);
  }
  EXPECT_EQ(said(policy).substr(0, 66), "policy.toml: the rules' expiries take more than the limit of 10000");
}

model::Policy stars(std::uint32_t identities) {
  model::Policy policy = policy_of(identities);
  for (std::uint32_t i = 0; i < identities; ++i) {
    add_rule(policy, Action::allow, {false, {i}}, {true, {}}, tcp(1 + i, 1 + i));
    add_rule(policy, Action::allow, {true, {}}, {false, {i}}, tcp(10'001 + i, 10'001 + i));
  }
  return policy;
}

TEST(Cost, EachToAnyAndAnyToEach) {
  EXPECT_EQ(said(stars(300)), "compiled");
  EXPECT_EQ(
      said(stars(300), {.limits = {.snapshot_mib = 2}}),
      "policy.toml: more than the limit of 2 MiB of compiled policy; raise snapshot_mib in [limits] of krait.toml "
      "to at least 3, see docs/limits.md");
  EXPECT_NE(said(stars(3'900)).find("takes more than the limit of 80000000 steps"), std::string::npos);
}

TEST(Cost, AListForEachPairOfIdentities) {
  model::Policy policy = policy_of(3'999);
  std::vector<std::uint32_t> all(3'999);
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    all[i] = i;
    add_rule(policy, Action::deny, {false, {i}}, {false, {i * 7 % 3'999}}, tcp(8, 8));
  }
  add_rule(policy, Action::allow, {false, all}, {false, all}, tcp(9, 9));
  add_rule(policy, Action::allow, {false, all}, {false, all}, tcp(10, 10));
  EXPECT_NE(said(policy).find("takes the policy over 4000000 pairs"), std::string::npos);
  policy.rules[policy.rules.size() - 2].to.identities.resize(400);
  policy.rules.back().to.identities.resize(400);
  EXPECT_EQ(said(policy), "compiled");
}

TEST(Cost, ManyPortsOfAnyOverManyPairs) {
  model::Policy policy = policy_of(1'000);
  model::Rule odd = add_rule(policy, Action::allow, {true, {}}, {true, {}}, tcp(1, 1));
  model::Rule even = add_rule(policy, Action::deny, {true, {}}, {true, {}}, tcp(2, 2));
  for (std::uint32_t port = 3; port < 65'535; port += 2) {
    odd.selectors.push_back(tcp(port, port));
    even.selectors.push_back(tcp(port + 1, port + 1));
  }
  policy.rules = {odd, even};
  for (std::uint32_t i = 0; i < kMany - 1; ++i) {
    add_rule(policy, Action::allow, {false, {i % 1'000}}, {false, {i / 1'000 * 31 % 1'000}},
             tcp(1 + 2 * i % 60'000, 1 + 2 * i % 60'000));
  }
  EXPECT_NE(said(policy).find("takes more than the limit of 80000000 steps"), std::string::npos);
}

TEST(Cost, ClassesAreCountedBeforeAnythingElse) {
  EXPECT_EQ(
      said(stars(300), {.limits = {.classes = 300}}),
      "policy.toml: 301 identity classes, 1 more than the limit of 300; raise classes in [limits] of krait.toml to "
      "at least 301, see docs/limits.md");
}

TEST(Cost, TestsOfAllPorts) {
  model::Policy policy = policy_of(2);
  for (std::uint32_t port = 1; port < 60'000; ++port) {
    model::Rule& rule = add_rule(policy, Action::allow, {false, {0}}, {false, {1}}, tcp(port, port));
    if (port % 2 == 0) {
      expire(rule, 1 + port % 200);
    }
  }
  for (std::uint32_t i = 0; i < kMany; ++i) {
    policy.tests.push_back({0, 1, "tcp", {tcp(1 + i % 30'000, 59'999)}, Action::allow, {}});
    policy.tests.push_back({1, 0, "any", {kEverything}, Action::deny, {}});
  }
  const auto snapshot = compile_snapshot({}, policy, 1);
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  const double begin = cpu_s();
  const auto tested = run_policy_tests(*snapshot, policy);
  EXPECT_LT(cpu_s() - begin, kMaxSeconds);
  EXPECT_TRUE(tested) << tested.error().text();
}

TEST(PolicyTests, SayTheFirstTwentyFailures) {
  model::Policy policy = policy_of(1);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    policy.tests.push_back({0, 0, "any", {kEverything}, Action::allow, {1 + i, 1}});
  }
  const auto snapshot = compile_snapshot({}, policy, 1);
  ASSERT_TRUE(snapshot);
  const auto tested = run_policy_tests(*snapshot, policy);
  ASSERT_FALSE(tested);
  const std::string text = tested.error().text();
  EXPECT_NE(text.find("policy.toml:20:1: the test expects allow from \"i0\" to \"i0\" any"), std::string::npos);
  EXPECT_NE(text.find("at most 20 are shown"), std::string::npos);
  EXPECT_EQ(text.find("policy.toml:21:1"), std::string::npos);
}

std::uint32_t below(Random& random, std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); }

// Ports close together, so that ranges meet, nest and cross.
model::SelectorRange random_range(Random& random) {
  const std::uint32_t first = below(random, 40);
  return tcp(first, first + below(random, below(random, 4) == 0 ? 30 : 3));
}

model::Subjects random_subjects(Random& random) {
  return below(random, 4) == 0 ? model::Subjects{true, {}} : model::Subjects{false, {below(random, 3)}};
}

constexpr std::uint32_t kMoments = 12;

model::Policy random_policy(Random& random) {
  model::Policy policy = policy_of(3);
  for (std::uint32_t rules = 1 + below(random, 40); rules > 0; --rules) {
    model::Rule& rule = add_rule(policy, below(random, 2) == 0 ? Action::allow : Action::deny, random_subjects(random),
                                 random_subjects(random), random_range(random));
    if (below(random, 3) != 0) {
      expire(rule, below(random, kMoments));
    }
  }
  return policy;
}

// By reading the rules one by one: deny over allow over expired over nothing, then the earlier one.
Judgement by_rules(const model::Policy& policy, const Question& question, std::uint32_t second) {
  const auto covers = [](const model::Subjects& subjects, std::uint32_t identity) {
    return subjects.any || subjects.identities.front() == identity;
  };
  Judgement best;
  int best_rank = 3;
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    const model::Rule& rule = policy.rules[i];
    const model::SelectorRange& range = rule.selectors.front();
    if (!covers(rule.from, question.from) || !covers(rule.to, question.to) || question.selector < range.first ||
        question.selector > range.last) {
      continue;
    }
    const bool expired = rule.expires && second >= rule.expires->seconds;
    const int rank = expired ? (rule.action == Action::allow ? 2 : 3) : rule.action == Action::deny ? 0 : 1;
    if (rank < best_rank) {
      best_rank = rank;
      best = {rank == 1 ? Action::allow : Action::deny, i, rank == 2};
    }
  }
  return best;
}

constexpr std::uint64_t kSecond_ns = 1'000'000'000;

TEST(Cost, ExpiriesDecideAsTheRulesReadOneByOne) {
  Random random(1);
  for (int round = 0; round < 150; ++round) {
    const model::Policy policy = random_policy(random);
    const auto snapshot = compile_snapshot({}, policy, 1);
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    for (int i = 0; i < 400; ++i) {
      const Question question{below(random, 3), below(random, 3), below(random, 75)};
      const std::uint32_t second = below(random, kMoments + 1);
      const Judgement got = evaluate(*snapshot, question, second * kSecond_ns);
      const Judgement expected = by_rules(policy, question, second);
      ASSERT_EQ(got.action, expected.action) << round;
      ASSERT_EQ(got.rule, expected.rule) << round;
      ASSERT_EQ(got.expired, expected.expired) << round;
    }
  }
}

TEST(PolicyTests, FindWhatOneSelectorAfterTheOtherWouldFind) {
  Random random(2);
  std::uint32_t failed = 0;
  for (int round = 0; round < 200; ++round) {
    model::Policy policy = random_policy(random);
    const auto snapshot = compile_snapshot({}, policy, 1);
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    const std::uint64_t boot_ns = below(random, kMoments + 1) * kSecond_ns;
    std::vector<std::string> expected;
    for (std::uint32_t line = 1; line < 20; ++line) {
      const model::PolicyTest test{below(random, 3),
                                   below(random, 3),
                                   "p",
                                   {random_range(random)},
                                   below(random, 2) == 0 ? Action::allow : Action::deny,
                                   {line, 1}};
      policy.tests.push_back(test);
      for (std::uint32_t s = test.selectors.front().first; s <= test.selectors.front().last; ++s) {
        const Judgement judgement = evaluate(*snapshot, {test.from, test.to, s}, boot_ns);
        if (judgement.action != test.expect) {
          const std::string by = judgement.rule ? fmt::format("\"r{}\"", *judgement.rule) : "no rule matches";
          expected.push_back(fmt::format("{}: {}", line, by));
          break;
        }
      }
    }
    const auto tested = run_policy_tests(*snapshot, policy, boot_ns);
    std::vector<std::string> got;
    for (const common::Diagnostic& found : tested ? std::vector<common::Diagnostic>() : tested.error().diagnostics()) {
      const auto rule = found.message.rfind("rule \"");
      const std::string by = rule == std::string::npos
                                 ? "no rule matches"
                                 : found.message.substr(rule + 5, found.message.rfind("\"") + 1 - rule - 5);
      got.push_back(fmt::format("{}: {}", found.line, by));
    }
    ASSERT_EQ(got, expected) << round;
    failed += static_cast<std::uint32_t>(got.size());
  }
  EXPECT_GT(failed, 1'000U);
}

}  // namespace
}  // namespace krait::compile
