#include "krait/doctor/firewall_owner.h"

#include <gtest/gtest.h>

namespace krait::doctor {
namespace {

Chain chain_of(const char* family, const char* table, const char* name, const char* hook) {
  return {.family = family, .table = table, .name = name, .type = "filter", .hook = hook, .drops = true, .rules = {}};
}

TEST(FirewallOwner, IsKnownByItsTables) {
  const Chain input = chain_of("ip", "filter", "INPUT", "input");
  const Chain forward = chain_of("ip", "filter", "FORWARD", "forward");
  Ruleset ruleset;
  EXPECT_EQ(owner_of(ruleset, input), Owner::iptables);
  EXPECT_EQ(owner_of(ruleset, chain_of("inet", "filter", "input", "input")), Owner::nft);
  EXPECT_EQ(owner_of(ruleset, chain_of("inet", "firewalld", "filter_INPUT", "input")), Owner::firewalld);
  ruleset.chains.emplace(ChainName{"ip", "filter", "DOCKER-USER"}, chain_of("ip", "filter", "DOCKER-USER", ""));
  EXPECT_EQ(owner_of(ruleset, input), Owner::iptables);
  EXPECT_EQ(owner_of(ruleset, forward), Owner::docker);
  ruleset.chains.emplace(ChainName{"ip", "filter", "ufw-before-input"},
                         chain_of("ip", "filter", "ufw-before-input", ""));
  EXPECT_EQ(owner_of(ruleset, input), Owner::ufw);
  EXPECT_EQ(owner_of(ruleset, chain_of("ip6", "filter", "INPUT", "input")), Owner::iptables) << "another family";
  EXPECT_EQ(chain_text(Owner::ufw, input), "ufw (chain INPUT of table ip filter)");
}

TEST(FirewallOwner, HasACommandForEachPurpose) {
  const Chain chain = chain_of("ip6", "filter", "INPUT", "input");
  for (const Owner owner : {Owner::nft, Owner::iptables, Owner::firewalld, Owner::ufw, Owner::docker}) {
    EXPECT_NE(firewall_hint(owner, chain, Purpose::port, {.port = 51820, .interface = ""}).find("51820"),
              std::string::npos);
    for (const Purpose purpose : {Purpose::input, Purpose::forward}) {
      const std::string hint = firewall_hint(owner, chain, purpose, {.port = 0, .interface = "wg0"});
      EXPECT_TRUE(hint.find("wg0") != std::string::npos || hint.find("coexistence.md") != std::string::npos) << hint;
      EXPECT_EQ(hint.find('{'), std::string::npos) << hint;
    }
  }
  EXPECT_EQ(firewall_hint(Owner::iptables, chain, Purpose::input, {.port = 0, .interface = "wg0"}),
            "ip6tables -I INPUT -i wg0 -j ACCEPT");
  EXPECT_EQ(firewall_hint(Owner::nft, chain, Purpose::port, {.port = 7, .interface = ""}),
            "nft insert rule ip6 filter INPUT udp dport 7 accept");
}

}  // namespace
}  // namespace krait::doctor
