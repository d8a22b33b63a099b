#include <gtest/gtest.h>

#include <string>

#include "krait/abi/selector.h"
#include "krait/config/load.h"

namespace krait::config {
namespace {

constexpr std::string_view kExample = R"(
[[identity]]
name = "web"          # tag = 10 pins its number
tag = 10

[[identity]]
name = "db"

[[rule]]
name = "web to db"
action = "allow"
from = ["web"]
to = ["db"]
ports = ["tcp/5432", "icmp/echo-request"]

[[rule]]
name = "never telnet"
action = "deny"
from = "*"
to = ["db", "web"]
ports = ["tcp/24", "tcp/23", "tcp/22-23"]

[[test]]
from = "web"
to = "db"
port = "tcp/5432"
expect = "allow"
)";

TEST(Policy, IsReadWhole) {
  const auto policy = parse_policy(kExample, "policy.toml");
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->file, "policy.toml");
  ASSERT_EQ(policy->identities.size(), 2U);
  EXPECT_EQ(policy->identities[0].name, "web");
  EXPECT_EQ(policy->identities[0].tag, 10U);
  EXPECT_EQ(policy->identities[0].at.line, 2U);
  EXPECT_NE(policy->identities[1].tag, 0U);
  ASSERT_EQ(policy->rules.size(), 2U);
  const model::Rule& first = policy->rules[0];
  EXPECT_EQ(first.name, "web to db");
  EXPECT_EQ(first.action, model::Action::allow);
  EXPECT_EQ(first.from.identities, std::vector<std::uint32_t>{0});
  EXPECT_FALSE(first.from.any);
  EXPECT_EQ(first.to.identities, std::vector<std::uint32_t>{1});
  EXPECT_EQ(first.selectors,
            (std::vector<model::SelectorRange>{{5432, 5432},
                                               {KRAIT_SELECTOR_ICMP + 8, KRAIT_SELECTOR_ICMP + 8},
                                               {KRAIT_SELECTOR_ICMPV6 + 128, KRAIT_SELECTOR_ICMPV6 + 128}}));
  EXPECT_EQ(first.at.line, 9U);
  const model::Rule& second = policy->rules[1];
  EXPECT_EQ(second.action, model::Action::deny);
  EXPECT_TRUE(second.from.any);
  EXPECT_TRUE(second.from.identities.empty());
  EXPECT_EQ(second.to.identities, (std::vector<std::uint32_t>{0, 1}));  // ascending, not as written
  EXPECT_EQ(second.selectors, (std::vector<model::SelectorRange>{{22, 24}}));
  ASSERT_EQ(policy->tests.size(), 1U);
  EXPECT_EQ(policy->tests[0].from, 0U);
  EXPECT_EQ(policy->tests[0].to, 1U);
  EXPECT_EQ(policy->tests[0].port, "tcp/5432");
  EXPECT_EQ(policy->tests[0].expect, model::Action::allow);
  EXPECT_EQ(policy->tests[0].at.line, 23U);
}

TEST(Policy, TakesOneStringForAListOfOne) {
  const auto policy = parse_policy(
      "identity = [{ name = 'a' }]\nrule = [{ name = 'r', action = 'allow', from = 'a', to = '*', ports = 'any' }]",
      "p");
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->rules[0].from.identities, std::vector<std::uint32_t>{0});
  EXPECT_TRUE(policy->rules[0].to.any);
  EXPECT_EQ(policy->rules[0].selectors, (std::vector<model::SelectorRange>{{0, KRAIT_SELECTORS - 1}}));
}

model::Rule rule_with(std::string_view options) {
  const auto policy =
      parse_policy(std::string("[[identity]]\nname = 'a'\n[[rule]]\nname = 'r'\naction = 'allow'\nfrom = "
                               "'a'\nto = '*'\nports = 'any'\n") +
                       std::string(options),
                   "p");
  EXPECT_TRUE(policy) << policy.error().text();
  return policy ? policy->rules.at(0) : model::Rule{};
}

TEST(Policy, ReadsTheOptionsOfARule) {
  const model::Rule without = rule_with("");
  EXPECT_FALSE(without.expires);
  EXPECT_FALSE(without.log);
  EXPECT_FALSE(without.reject);
  const model::Rule with = rule_with("expires = '1h'\nlog = true\nreject = true\n");
  EXPECT_EQ(with.expires, (model::Expiry{model::Expiry::Kind::after, 3600}));
  EXPECT_TRUE(with.log);
  EXPECT_TRUE(with.reject);
  const model::Rule off = rule_with("log = false\nreject = false\n");
  EXPECT_FALSE(off.log);
  EXPECT_FALSE(off.reject);
}

TEST(Policy, TakesATimeInEachFormForTheSame) {
  const model::Expiry expected{model::Expiry::Kind::at, 1796083200};
  for (const char* const form :
       {"2026-12-01T00:00:00Z", "2026-12-01T00:00:00.75Z", "2026-12-01 02:00:00+02:00", "2026-11-30T18:30:00-05:30"}) {
    EXPECT_EQ(rule_with(std::string("expires = '") + form + "'").expires, expected) << form;
  }
}

TEST(Policy, MayHaveNoRule) { EXPECT_TRUE(parse_policy("[[identity]]\nname = 'a'", "p")); }

TEST(Policy, ReadsRulesBeforeTheirIdentities) {
  const auto policy = parse_policy(
      "[[rule]]\nname = 'r'\naction = 'deny'\nfrom = 'b'\nto = 'a'\nports = 'gre'\n[[identity]]\nname = "
      "'a'\n[[identity]]\nname = 'b'",
      "p");
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->rules[0].from.identities, std::vector<std::uint32_t>{1});
}

TEST(Policy, IsMissing) {
  const auto policy = load_policy("/nonexistent/policy.toml");
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().code(), common::ErrorCode::invalid_input);
  ASSERT_EQ(policy.error().diagnostics().size(), 1U);
  EXPECT_EQ(policy.error().diagnostics()[0].line, 0U);
  EXPECT_EQ(policy.error().diagnostics()[0].file, "/nonexistent/policy.toml");
}

}  // namespace
}  // namespace krait::config
