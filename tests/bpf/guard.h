// The stage of the packet tests: one host of a small mesh, its policy, and the real program.
//
//   web     10.90.0.1  fd90::1        peer
//   db      10.90.0.2  fd90::2        this host
//   office  10.90.0.3  fd90::3        peer, a gateway
//     site  10.20.0.0/16  fd20::/32   behind office
//     lab   10.20.5.0/24              behind office, inside site
//     boss  10.20.5.9                 behind office, inside lab
//   cellar  10.30.0.0/16  fd30::/32   behind this host
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krait/datapath/packet_runner.h"
#include "krait/model/policy.h"
#include "tests/model/naive.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {

using packets::Packet;

// Tags, that is, identities.
inline constexpr std::uint32_t kWeb = 10;
inline constexpr std::uint32_t kDb = 20;
inline constexpr std::uint32_t kOffice = 30;
inline constexpr std::uint32_t kSite = 40;
inline constexpr std::uint32_t kLab = 50;
inline constexpr std::uint32_t kBoss = 60;
inline constexpr std::uint32_t kCellar = 70;
inline constexpr std::uint32_t kAny = 0;  // in rules only

// Selector ranges.
model::SelectorRange tcp(std::uint16_t first, std::uint16_t last);
model::SelectorRange tcp(std::uint16_t port);
model::SelectorRange udp(std::uint16_t port);
model::SelectorRange sctp(std::uint16_t port);
model::SelectorRange icmp(std::uint8_t type);
model::SelectorRange icmpv6(std::uint8_t type);
model::SelectorRange protocol(std::uint8_t number);
model::SelectorRange everything();

model::Rule allow(std::string name, std::uint32_t from, std::uint32_t to, model::SelectorRange selectors);
model::Rule deny(std::string name, std::uint32_t from, std::uint32_t to, model::SelectorRange selectors);

// What became of a packet, and which counters it moved.
struct Outcome {
  naive::Verdict program;
  naive::Verdict model;
  krait_direction direction = KRAIT_INGRESS;
  std::string rule;  // the deciding one's name; empty: none
  bool rejected = false;
  packets::Bytes frame;  // as the program left it
  datapath::Counters before;
  datapath::Counters after;
};

testing::AssertionResult passes(const Outcome& outcome);
// Also by which rule.
testing::AssertionResult passes_by(const Outcome& outcome, std::string_view rule);
// For this reason, and its counter moved by one packet and no other did.
testing::AssertionResult drops(const Outcome& outcome, krait_reason reason);

// One program a suite: every test begins with dead flows, but counters go on. A test that needs untouched maps calls
// load_anew() first.
class Guard : public testing::Test {
 protected:
  static void TearDownTestSuite() { runner_.reset(); }
  void SetUp() override;
  void load_anew();

  // Puts these rules in force; flows stay.
  void policy(std::vector<model::Rule> rules);
  // As received from a peer, as sent by this host, as sent on by this host after it came in from a peer, and from
  // another interface.
  Outcome in(const Packet& packet);
  Outcome out(const Packet& packet);
  Outcome relay(const Packet& packet);
  Outcome forward(const Packet& packet);
  Outcome run(const packets::Bytes& frame, datapath::RunOptions options);
  void advance(std::uint64_t seconds);
  void clamp_mss_to(std::uint32_t mtu_bytes) { runner_->clamp_mss_to(mtu_bytes); }
  void rewrite_flows(const std::function<void(krait_flow_bucket&)>& rewrite);
  datapath::Counters counters();
  // Packets that the rule of this name has decided.
  std::uint64_t hits(std::string_view rule);
  std::vector<krait_event> events();
  // What the next policy() binds; may be changed.
  std::vector<compile::Binding>& bindings() { return bindings_; }

 private:
  inline static std::optional<datapath::PacketRunner> runner_;
  inline static std::optional<naive::Evaluator> model_;
  std::vector<compile::Binding> bindings_;
  std::vector<model::Rule> rules_;
  std::uint64_t revision_ = 0;
  std::vector<krait_rule_record> records_;
  std::vector<std::uint32_t> rule_of_record_;
};

}  // namespace krait::bpf_test
