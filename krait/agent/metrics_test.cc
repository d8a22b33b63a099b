#include "krait/agent/metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace krait::agent {
namespace {

datapath::PairCount pair_of(std::uint32_t source, std::uint32_t destination, std::uint64_t packets) {
  datapath::PairCount pair{.source_tag = source, .destination_tag = destination, .overflow = false, .count = {}};
  pair.count[KRAIT_INGRESS][KRAIT_DROP] = {.packets = packets, .bytes = packets * 10};
  return pair;
}

struct Sample {
  model::Policy policy;
  control::State state;
  control::Rules rules;

  Sample() {
    policy.identities = {{"we\"b", 10, {}}, {"db", 20, {}}};
    policy.rules.resize(3);
    state.interface = "wg0";
    state.attachment = datapath::Attachment::clsact;
    state.revision = 9;
  }
  [[nodiscard]] bool shows(const std::string& line) const {
    return metrics_text(policy, state, rules).find(line + "\n") != std::string::npos;
  }
};

TEST(Metrics, NamesIdentities) {
  Sample sample;
  sample.state.counters.pairs = {pair_of(0, 20, 1), pair_of(10, 20, 2), pair_of(10, 77, 3)};
  EXPECT_TRUE(
      sample.shows(R"(krait_packets_total{source="unknown",destination="db",direction="ingress",verdict="drop"} 1)"));
  EXPECT_TRUE(
      sample.shows(R"(krait_packets_total{source="we\"b",destination="db",direction="ingress",verdict="drop"} 2)"));
  EXPECT_TRUE(
      sample.shows(R"(krait_bytes_total{source="we\"b",destination="tag:77",direction="ingress",verdict="drop"} 30)"));
}

TEST(Metrics, ShowsTheOverflow) {
  Sample sample;
  sample.state.counters.pairs = {pair_of(0, 0, 4)};
  sample.state.counters.pairs[0].overflow = true;
  EXPECT_TRUE(sample.shows(
      R"(krait_packets_total{source="overflow",destination="overflow",direction="ingress",verdict="drop"} 4)"));
}

TEST(Metrics, ShowsTheRulesThatDecided) {
  Sample sample;
  sample.policy.file = "policy.toml";
  sample.policy.rules[1].name = "web to db";
  sample.policy.rules[1].action = model::Action::allow;
  sample.policy.rules[1].at.line = 12;
  sample.rules.of_rule.resize(3);
  sample.rules.of_rule[1].count = {.packets = 7, .bytes = 900};
  EXPECT_TRUE(sample.shows(R"(krait_rule_packets_total{rule="web to db"} 7)"));
  EXPECT_TRUE(sample.shows(R"(krait_rule_bytes_total{rule="web to db"} 900)"));
  EXPECT_TRUE(sample.shows(R"(krait_rule_info{rule="web to db",action="allow",file="policy.toml",line="12"} 1)"));
}

TEST(Metrics, ShowsEveryReasonFromTheStart) {
  Sample sample;
#define KRAIT_EXPECT_REASON(name, label, meaning)                                               \
  EXPECT_TRUE(sample.shows("krait_drops_total{reason=\"" label "\",direction=\"ingress\"} 0")); \
  EXPECT_TRUE(sample.shows("krait_drops_total{reason=\"" label "\",direction=\"egress\"} 0"));
  KRAIT_REASONS(KRAIT_EXPECT_REASON)
#undef KRAIT_EXPECT_REASON
}

TEST(Metrics, ShowsThePolicyAndThePeers) {
  Sample sample;
  control::PeerState peer{.name = "db1", .identity = "db", .wireguard = {}};
  peer.wireguard.last_handshake_s = 1700000000;
  peer.wireguard.received_bytes = 4000000000;
  sample.state.peers = {peer};
  EXPECT_TRUE(sample.shows("krait_policy_revision 9"));
  EXPECT_TRUE(sample.shows("krait_policy_rules 3"));
  EXPECT_TRUE(sample.shows("krait_peers 1"));
  EXPECT_TRUE(sample.shows(R"(krait_peer_last_handshake_seconds{peer="db1"} 1700000000)"));
  EXPECT_TRUE(sample.shows(R"(krait_peer_received_bytes_total{peer="db1"} 4000000000)"));
  EXPECT_TRUE(sample.shows(R"(krait_attached{interface="wg0",kind="clsact"} 1)"));
  EXPECT_TRUE(sample.shows("# TYPE krait_drops_total counter"));
}

TEST(Metrics, ShowsAPeerThatAnnouncedItsNextKeyOnce) {
  Sample sample;
  control::PeerState peer{.name = "db1", .identity = "db", .wireguard = {}};
  peer.wireguard.last_handshake_s = 1700000000;
  peer.wireguard.received_bytes = 4000000000;
  control::PeerState next{.name = "db1", .identity = "db", .wireguard = {}, .next_key = true};
  next.wireguard.last_handshake_s = 1700000100;
  next.wireguard.received_bytes = 5;
  sample.state.peers = {peer, next};
  EXPECT_TRUE(sample.shows("krait_peers 1"));
  EXPECT_TRUE(sample.shows(R"(krait_peer_last_handshake_seconds{peer="db1"} 1700000100)"));
  EXPECT_TRUE(sample.shows(R"(krait_peer_received_bytes_total{peer="db1"} 4000000005)"));
  EXPECT_FALSE(sample.shows(R"(krait_peer_received_bytes_total{peer="db1"} 4000000000)"));
}

}  // namespace
}  // namespace krait::agent
