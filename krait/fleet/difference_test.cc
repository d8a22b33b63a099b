#include "krait/fleet/difference.h"

#include <gtest/gtest.h>

#include "krait/config/load.h"

namespace krait::fleet {
namespace {

model::Policy policy(const std::string& rules, const std::string& identities = "web db office") {
  std::string text;
  std::string name;
  for (const char c : identities + " ") {
    if (c != ' ') {
      name += c;
      continue;
    }
    text += "[[identity]]\nname = \"" + name + "\"\n";
    name.clear();
  }
  auto read = config::parse_policy(text + rules, "policy.toml");
  EXPECT_TRUE(read) << read.error().text();
  return read ? *read : model::Policy();
}

std::string rule(const std::string& name, const std::string& action, const std::string& from, const std::string& to,
                 const std::string& ports) {
  return "[[rule]]\nname = \"" + name + "\"\naction = \"" + action + "\"\nfrom = " + from + "\nto = " + to +
         "\nports = [\"" + ports + "\"]\n";
}

std::string text(const model::Policy& before, const model::Policy& after) {
  return difference_text(difference(before, after), [](const std::string& identity) {
    return identity == "web" ? std::vector<std::string>{"web1", "web2"} : std::vector<std::string>{};
  });
}

TEST(Difference, TellsWhoGainsAndLosesWhat) {
  const auto before = policy(rule("a", "allow", "[\"web\"]", "[\"db\"]", "tcp/5432"));
  const auto after = policy(rule("b", "allow", "[\"web\"]", "[\"db\"]", "tcp/5430-5431"));
  EXPECT_EQ(text(before, after),
            "+ web (web1, web2) to db (no host yet): tcp/5430-5431\n- web (web1, web2) to db (no host yet): tcp/5432");
}

TEST(Difference, NamesPortsAsThePolicyDoes) {
  const auto after = policy(rule("a", "allow", "[\"web\"]", "[\"db\"]", "icmp/echo-request"));
  EXPECT_EQ(text(policy(""), after), "+ web (web1, web2) to db (no host yet): icmp/echo-request, icmpv6/echo-request");
}

TEST(Difference, IsNothingWhereOnlyTheTextDiffers) {
  const auto before = policy(rule("a", "allow", "[\"web\"]", "[\"db\"]", "tcp/1-9") +
                             rule("b", "allow", "[\"office\"]", "[\"db\"]", "icmp"));
  const auto after = policy(rule("c", "allow", "[\"office\"]", "[\"db\"]", "icmp") +
                            rule("d", "allow", "[\"web\"]", "[\"db\"]", "tcp/1-4") +
                            rule("e", "allow", "[\"web\"]", "[\"db\"]", "tcp/5-9"));
  EXPECT_EQ(text(before, after), "nobody gains or loses anything");
}

// A deny rule takes from what other rules allow, and from no more.
TEST(Difference, SeesWhatADenyRuleTakes) {
  const auto allow = rule("a", "allow", "\"*\"", "[\"db\"]", "tcp/1-100");
  const auto before = policy(allow);
  const auto after = policy(allow + rule("b", "deny", "[\"web\"]", "\"*\"", "tcp/50-200"));
  const auto result = difference(before, after);
  EXPECT_TRUE(result.gained.empty());
  ASSERT_EQ(result.lost.size(), 1U);
  EXPECT_EQ(result.lost[0], (Access{"web", "db", {{50, 100}}}));
}

TEST(Difference, SeesIdentitiesComeAndGo) {
  const auto any = rule("a", "allow", "\"*\"", "\"*\"", "any");
  const auto result = difference(policy(any, "web db"), policy(any, "web office"));
  EXPECT_EQ(result.new_identities, std::vector<std::string>{"office"});
  EXPECT_EQ(result.gone_identities, std::vector<std::string>{"db"});
  EXPECT_EQ(result.gained.size(), 3U);  // web to office, back, and office among themselves
  EXPECT_EQ(result.lost.size(), 3U);
  EXPECT_EQ(ports_text(result.gained[0].selectors), "any");
}

TEST(Difference, SaysThatTheLeaseIsAnother) {
  auto before = policy("");
  auto after = policy("");
  after.lease_s = 7 * 86'400;
  EXPECT_EQ(text(before, after), "  lease: 7d, before none");
  before.lease_s = 5400;
  EXPECT_EQ(text(after, before), "  lease: 90m, before 7d");
}

TEST(Difference, SaysThatPairsOfHostsShareKeys) {
  const auto without = policy("");
  auto with = policy("");
  with.preshared_keys = true;
  EXPECT_EQ(text(without, with), "  preshared keys between pairs of hosts: on, before off");
  EXPECT_EQ(text(with, without), "  preshared keys between pairs of hosts: off, before on");
}

}  // namespace
}  // namespace krait::fleet
