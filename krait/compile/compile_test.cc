#include "krait/compile/compile.h"

#include <gtest/gtest.h>

#include <cstring>

#include "krait/abi/snapshot.h"
#include "krait/compile/address_table.h"
#include "krait/compile/classes.h"
#include "krait/compile/evaluate.h"
#include "krait/compile/records.h"

namespace krait::compile {
namespace {

using model::Action;

model::SelectorRange tcp(std::uint32_t first, std::uint32_t last) {
  return {KRAIT_SELECTOR_TCP + first, KRAIT_SELECTOR_TCP + last};
}

constexpr model::SelectorRange kEverything{0, KRAIT_SELECTORS - 1};

model::Rule rule(Action action, model::Subjects from, model::Subjects to, std::vector<model::SelectorRange> selectors) {
  return {.name = "r",
          .action = action,
          .from = std::move(from),
          .to = std::move(to),
          .selectors = std::move(selectors),
          .at = {}};
}

model::Policy policy_of(std::uint32_t identities, std::vector<model::Rule> rules) {
  model::Policy policy;
  for (std::uint32_t i = 0; i < identities; ++i) {
    policy.identities.push_back({"i" + std::to_string(i), 100 + i, {}});
  }
  policy.rules = std::move(rules);
  return policy;
}

Judgement judge(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector) {
  const auto snapshot = compile_snapshot({}, policy, 1);
  EXPECT_TRUE(snapshot) << snapshot.error().text();
  return evaluate(*snapshot, {from, to, selector});
}

TEST(Compile, DeniesWhatNoRuleAllows) {
  const model::Policy policy = policy_of(2, {rule(Action::allow, {false, {0}}, {false, {1}}, {tcp(80, 80)})});
  EXPECT_EQ(judge(policy, 0, 1, 80).action, Action::allow);
  EXPECT_EQ(judge(policy, 0, 1, 80).rule, 0U);
  for (const std::uint32_t selector : {0U, 79U, 81U, KRAIT_SELECTOR_UDP + 80U, KRAIT_SELECTORS - 1U}) {
    EXPECT_EQ(judge(policy, 0, 1, selector).action, Action::deny) << selector;
    EXPECT_EQ(judge(policy, 0, 1, selector).rule, std::nullopt) << selector;
  }
  EXPECT_EQ(judge(policy, 1, 0, 80).action, Action::deny) << "rules have a direction";
}

TEST(Compile, DenyWinsThenTheFirstInTheFile) {
  const model::Policy policy = policy_of(2, {rule(Action::allow, {true, {}}, {true, {}}, {kEverything}),
                                             rule(Action::allow, {false, {0}}, {false, {1}}, {tcp(1, 100)}),
                                             rule(Action::deny, {false, {0}}, {true, {}}, {tcp(50, 60)}),
                                             rule(Action::deny, {true, {}}, {false, {1}}, {tcp(55, 70)})});
  EXPECT_EQ(judge(policy, 0, 1, 49).rule, 0U);
  EXPECT_EQ(judge(policy, 0, 1, 50).rule, 2U);
  EXPECT_EQ(judge(policy, 0, 1, 55).rule, 2U);
  EXPECT_EQ(judge(policy, 0, 1, 61).rule, 3U);
  EXPECT_EQ(judge(policy, 0, 1, 71).rule, 0U);
  EXPECT_EQ(judge(policy, 1, 0, 55).rule, 0U);
}

// More runs than a short row holds, over more than one word of classes.
TEST(Compile, ManyPortsOfOnePair) {
  std::vector<model::Rule> rules;
  for (std::uint32_t i = 0; i < 300; ++i) {
    rules.push_back(rule(Action::allow, {false, {0}}, {false, {1}}, {tcp(10 + 2 * i, 10 + 2 * i)}));
  }
  const model::Policy policy = policy_of(2, rules);
  const auto snapshot = compile_snapshot({}, policy, 1);
  ASSERT_TRUE(snapshot);
  EXPECT_GT(snapshot->cells, KRAIT_SHORT_RUNS);
  for (std::uint32_t i = 0; i < 300; ++i) {
    EXPECT_EQ(evaluate(*snapshot, {0, 1, 10 + 2 * i}).rule, i);
    EXPECT_EQ(evaluate(*snapshot, {0, 1, 11 + 2 * i}).action, Action::deny);
  }
}

TEST(Compile, SharesClassesThatNoRuleTellsApart) {
  const model::Policy policy = policy_of(1000, {rule(Action::allow, {false, {0, 1, 2}}, {true, {}}, {tcp(80, 80)})});
  const Classes classes = classify(policy);
  EXPECT_EQ(classes.sources, 2U);
  EXPECT_EQ(classes.destinations, 1U);
  EXPECT_EQ(classes.ports, 2U);
  EXPECT_EQ(classes.source_of_identity[0], classes.source_of_identity[2]);
  EXPECT_NE(classes.source_of_identity[0], classes.source_of_identity[3]);
}

TEST(Compile, TheSameModelGivesTheSameBytes) {
  const model::Policy policy = policy_of(9, {rule(Action::allow, {false, {0, 5}}, {false, {1, 3}}, {tcp(80, 90)}),
                                             rule(Action::deny, {true, {}}, {false, {8}}, {kEverything})});
  const std::vector<Binding> bindings{{common::Prefix::host(*common::Ip::parse("10.0.0.1")), 3},
                                      {*common::Prefix::parse("10.0.0.0/8"), 4, 1, true}};
  const auto first = compile_snapshot(bindings, policy, 5);
  const auto second = compile_snapshot(bindings, policy, 5);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->image, second->image);
}

// By it a rule is found again in the kernel, also by another version.
TEST(Compile, HashesRuleNamesAlikeFromReleaseToRelease) {
  EXPECT_EQ(rule_name_hash("web to db"), 0xbad45c700e9ac455U);
  EXPECT_EQ(rule_name_hash(""), 0xaf64724c29669922U);
}

TEST(Compile, RefusesTooManyPairsOfClasses) {
  std::vector<model::Rule> rules;
  model::Subjects all{false, {}};
  for (std::uint32_t i = 0; i < 5000; ++i) {
    all.identities.push_back(i);
    rules.push_back(rule(Action::allow, {false, {i}}, {false, {i}}, {tcp(i, i)}));
  }
  const auto snapshot = compile_snapshot({}, policy_of(5000, rules), 1);
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code(), common::ErrorCode::limit);
  EXPECT_NE(snapshot.error().text().find("5001"), std::string::npos) << snapshot.error().text();
}

common::Ip ip(const char* text) { return *common::Ip::parse(text); }

TEST(AddressTable, TheLongestPrefixWins) {
  const AddressTable table = build_address_table({{*common::Prefix::parse("10.0.0.0/8"), 1, 1, true},
                                                  {*common::Prefix::parse("10.20.0.0/16"), 2, 0, true},
                                                  {*common::Prefix::parse("10.20.5.0/24"), 3, 2, true},
                                                  {*common::Prefix::parse("10.20.5.9/32"), 4, 3, false},
                                                  {*common::Prefix::parse("fd00::/8"), 5, 1, true},
                                                  {*common::Prefix::parse("fd00:1::/32"), 6, 1, true},
                                                  {*common::Prefix::parse("::/0"), 7, 1, true}});
  EXPECT_EQ(find_address(table, ip("10.1.1.1"))->slot, 1U);
  EXPECT_EQ(find_address(table, ip("10.20.1.1"))->slot, 2U);
  EXPECT_EQ(find_address(table, ip("10.20.1.1"))->owner,
            KRAIT_ENTRY_OWNER(KRAIT_ENTRY_LOCAL | KRAIT_ENTRY_ROUTED, 96U + 16U, KRAIT_THIS_HOST));
  EXPECT_EQ(find_address(table, ip("10.20.5.9"))->owner, KRAIT_ENTRY_OWNER(0U, 128U, 3U));
  EXPECT_EQ(find_address(table, ip("10.20.5.8"))->slot, 3U);
  EXPECT_EQ(find_address(table, ip("10.20.5.9"))->slot, 4U);
  EXPECT_EQ(find_address(table, ip("fd00:2::1"))->slot, 5U);
  EXPECT_EQ(find_address(table, ip("fd00:1::1"))->slot, 6U);
  EXPECT_EQ(find_address(table, ip("2001::1"))->slot, 7U);
  EXPECT_FALSE(find_address(table, ip("11.0.0.1"))) << "IPv6's default route is not IPv4's";
}

// Every IPv6 length at once: the deepest tree, and a marker for every turn.
TEST(AddressTable, AllLengths) {
  std::vector<AddressEntry> entries;
  const common::Ip address = ip("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  for (std::uint8_t length = 0; length <= 128; ++length) {
    entries.push_back({common::Prefix{address, length}.masked(), length, 1, length != 128});
  }
  const AddressTable table = build_address_table(entries);
  for (std::uint8_t length = 0; length < 128; ++length) {
    common::Ip probe = address;
    probe.bytes[length / 8] ^= static_cast<std::uint8_t>(0x80U >> (length % 8));  // the first bit that differs
    EXPECT_EQ(find_address(table, probe)->slot, length);
  }
  EXPECT_EQ(find_address(table, address)->slot, 128U);
}

TEST(AddressTable, ManyHosts) {
  std::vector<AddressEntry> entries;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    common::Ip address = ip("10.7.0.0");
    address.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
    address.bytes[3] = static_cast<std::uint8_t>(i);
    entries.push_back({common::Prefix::host(address), i, 1});
  }
  const AddressTable table = build_address_table(entries);
  for (const AddressEntry& entry : entries) {
    ASSERT_EQ(find_address(table, entry.prefix.ip)->slot, entry.slot);
  }
  EXPECT_FALSE(find_address(table, ip("10.8.0.0")));
}

}  // namespace
}  // namespace krait::compile
