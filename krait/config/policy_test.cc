#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "krait/abi/selector.h"
#include "krait/config/load.h"
#include "krait/config/ports.h"

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

// --- Texts that follow on others
// ------------------------------------------------------------------------------------

std::string told(const model::Policy& policy) {
  std::string text = policy.file;
  for (const model::Identity& identity : policy.identities) {
    text += fmt::format("\n{} {} {}", identity.name, identity.tag, identity.at.line);
  }
  for (const model::Rule& rule : policy.rules) {
    text +=
        fmt::format("\n{} {}:{} {} {}{}{} {}", rule.name, rule.at.line, rule.at.column, static_cast<int>(rule.action),
                    rule.log, rule.reject, rule.outlasts_lease, rule.expires ? rule.expires->seconds : -1);
    for (const model::SelectorRange& range : rule.selectors) {
      text += " " + selector_text(range);
    }
    for (const model::Subjects* side : {&rule.from, &rule.to}) {
      text += side->any ? " *" : " ";
      for (const std::uint32_t identity : side->identities) {
        text += fmt::format("{},", identity);
      }
    }
  }
  for (const model::PolicyTest& test : policy.tests) {
    text += fmt::format("\n{} {} {} {}", test.from, test.to, test.port, test.at.line);
  }
  return text;
}

std::string first_text() {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    text += fmt::format("[[identity]]\nname = \"i{}\"\n", i);
  }
  for (int i = 0; i < 12; ++i) {
    text += fmt::format("# rule {0}\n[[rule]]\nname = \"r{0}\"\naction = \"allow\"\nfrom = \"i{1}\"\nto = \"*\"\n", i,
                        i % 4);
    text += fmt::format("ports = [\"tcp/{}\"]\n", i + 1);
    if (i == 8) {
      text += "[[test]]\nfrom = \"i1\"\nto = \"i2\"\nport = \"tcp/2\"\nexpect = \"allow\"\n";
    }
  }
  return text;
}

// At a line's beginning mostly, where edits make sense.
void edit(std::string& text, std::mt19937& random) {
  constexpr std::array<std::string_view, 12> kPieces{
      "[[rule]]\nname = \"new\"\naction = \"deny\"\nfrom = \"i0\"\nto = \"i1\"\nports = \"any\"\n",
      "[[rule]]\nname = \"other\"\naction = \"deny\"\nfrom = \"nobody\"\nto = \"i1\"\nports = \"any\"\n",
      "log = true\n",
      "[[identity]]\nname = \"more\"\n",
      R"(""")",
      "'''",
      "\n",
      "# [[rule]]\n",
      "[rule.sub]\n",
      "i2",
      "tag = 5\n",
      "ports = [\"udp/1\",\n[[rule]]\n"};
  std::size_t at = random() % text.size();
  at = random() % 4 == 0 ? at : std::min(text.find('\n', at), text.size() - 1) + 1;
  const std::size_t end = std::min(text.find('\n', std::min(at, text.size() - 1)), text.size() - 1) + 1;
  switch (random() % 4) {
    case 0:
      text.erase(at, end > at ? end - at : 0);
      break;
    case 1:
      text.erase(at, random() % 200);
      break;
    default:
      text.insert(at, kPieces[random() % kPieces.size()]);
      break;
  }
}

// Edits at random, good ones and bad ones: what comes of them is what the whole text gives.
TEST(PolicyAfterAnother, IsThatOfTheWholeText) {
  std::mt19937 random(5);
  std::string text = first_text();
  auto policy = parse_policy(text, "p");
  ASSERT_TRUE(policy) << policy.error().text();
  std::size_t good = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string edited = text;
    edit(edited, random);
    if (random() % 2 == 0) {
      edit(edited, random);
    }
    const auto whole = parse_policy(edited, "p");
    const auto after = parse_policy_after({text, *policy}, edited, "p");
    ASSERT_EQ(whole.has_value(), after.has_value()) << edited;
    if (!whole) {
      ASSERT_EQ(whole.error().text(), after.error().text());
      continue;
    }
    ++good;
    ASSERT_EQ(told(*whole), told(*after)) << edited;
    if (random() % 8 == 0 && edited.size() > 700 && edited.size() < 3000) {
      text = edited;
      policy = *after;
    }
  }
  EXPECT_GT(good, 150U);
}

// What is far from the difference is taken over: a mark that no text has is still there.
TEST(PolicyAfterAnother, ReadsOnlyTheRulesThatDiffer) {
  const std::string text = first_text();
  auto policy = parse_policy(text, "p");
  ASSERT_TRUE(policy) << policy.error().text();
  for (model::Rule& rule : policy->rules) {
    rule.log = true;
  }
  const auto read_again = [&](const std::string& edited) {
    const auto after = parse_policy_after({text, *policy}, edited, "p");
    EXPECT_TRUE(after);
    return after ? std::ranges::count(after->rules, false, &model::Rule::log) : -1;
  };
  EXPECT_EQ(read_again(std::string(text).replace(text.find("tcp/5"), 5, "udp/7")), 1);
  EXPECT_EQ(read_again(std::string(text).replace(text.find("tcp/12"), 6, "udp/7")), 1);  // the last one
  const std::string rule = "[[rule]]\nname = \"new\"\naction = \"deny\"\nfrom = \"i0\"\nto = \"i1\"\nports = \"any\"\n";
  EXPECT_EQ(read_again(text + rule), 2);
  EXPECT_EQ(read_again(std::string(text).insert(text.find("[[rule]]", 600), rule)), 2);
  EXPECT_EQ(read_again("# " + text), 12);  // before the first rule: everything
}

}  // namespace
}  // namespace krait::config
