// `krait policy explain` by the real program: it must agree with the compiled policy about every kind of packet.
#include <gtest/gtest.h>
#include <unistd.h>

#include "krait/abi/selector.h"
#include "krait/config/load.h"
#include "krait/config/ports.h"
#include "krait/inspect/explain.h"

namespace krait::inspect {
namespace {

constexpr const char* kPolicy = R"(
[[identity]]
name = "web"
[[identity]]
name = "db"
[[rule]]
name = "no telnet"
action = "deny"
from = "*"
to = ["db"]
ports = ["tcp/23", "sctp"]
[[rule]]
name = "some"
action = "allow"
from = ["web"]
to = ["db"]
ports = ["tcp/1-1000", "udp/53", "sctp/7", "icmp", "gre", "proto/89"]
)";

class ExplainTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    auto policy = config::parse_policy(kPolicy, "policy.toml");
    ASSERT_TRUE(policy) << policy.error().text();
    policy_ = *policy;
  }
  Explanation of(std::uint32_t selector, std::uint32_t from = 0, std::uint32_t to = 1) {
    auto explanation = explain(policy_, from, to, selector);
    EXPECT_TRUE(explanation) << config::selector_text({selector, selector}) << ": " << explanation.error().text();
    EXPECT_TRUE(!explanation || explanation->by_program) << explanation->note;
    return explanation ? *explanation : Explanation{};
  }
  model::Policy policy_;
};

TEST_F(ExplainTest, NamesTheRule) {
  EXPECT_EQ(of(KRAIT_SELECTOR_TCP + 23).rule, 0);
  EXPECT_FALSE(of(KRAIT_SELECTOR_TCP + 23).allowed);
  EXPECT_EQ(of(KRAIT_SELECTOR_TCP + 1000).rule, 1);
  EXPECT_TRUE(of(KRAIT_SELECTOR_TCP + 1000).allowed);
  EXPECT_EQ(of(KRAIT_SELECTOR_TCP + 1001).rule, std::nullopt);
  EXPECT_FALSE(of(KRAIT_SELECTOR_TCP + 1000, 1, 0).allowed);
  EXPECT_FALSE(of(KRAIT_SELECTOR_TCP + 23, 1, 1).allowed);  // an identity with itself
}

TEST_F(ExplainTest, AgreesAboutEveryKindOfPacket) {
  for (const std::uint32_t base : {KRAIT_SELECTOR_TCP, KRAIT_SELECTOR_UDP, KRAIT_SELECTOR_SCTP}) {
    for (const std::uint32_t port : {7U, 65535U}) {
      of(base + port);
    }
  }
  for (const std::uint32_t type : {0U, 1U, 3U, 8U, 12U, 14U, 128U, 129U, 133U, 137U, 140U, 255U}) {
    of(KRAIT_SELECTOR_ICMP + type);
    of(KRAIT_SELECTOR_ICMPV6 + type);
  }
  for (const std::uint32_t protocol : {0U, 41U, 43U, 44U, 47U, 51U, 89U, 255U}) {
    of(KRAIT_SELECTOR_PROTO + protocol);
  }
}

TEST_F(ExplainTest, SaysThatARuleHasExpired) {
  policy_.rules.at(1).expires = {model::Expiry::Kind::at, 1};
  const Explanation expired = of(KRAIT_SELECTOR_TCP + 1000);
  EXPECT_FALSE(expired.allowed);
  EXPECT_EQ(expired.rule, 1);
  EXPECT_NE(expired.note.find("until it expired"), std::string::npos) << expired.note;
  policy_.rules.at(1).expires = {model::Expiry::Kind::after, 3600};
  EXPECT_TRUE(of(KRAIT_SELECTOR_TCP + 1000).allowed);
}

TEST_F(ExplainTest, TellsWhatNoRuleDecides) {
  const Explanation discovery = of(KRAIT_SELECTOR_ICMPV6 + 135);
  EXPECT_FALSE(discovery.allowed);
  EXPECT_EQ(discovery.rule, std::nullopt);
  EXPECT_NE(discovery.note.find("neighbour_discovery"), std::string::npos) << discovery.note;
  EXPECT_TRUE(of(KRAIT_SELECTOR_ICMPV6 + 128).note.empty());
}

}  // namespace
}  // namespace krait::inspect
