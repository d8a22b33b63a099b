// Whose address it is, and who may send from it.
#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::kAck;
using packets::kSyn;

class Identity : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      policy({allow("all", kAny, kAny, everything())});
    }
  }

  std::uint32_t source_tag(const char* address) {
    return in(Packet(address, address[0] == 'f' ? "fd90::2" : "10.90.0.2").tcp(1, 2, kAck)).program.source_tag;
  }
};

TEST_F(Identity, UnknownAddresses) {
  EXPECT_TRUE(drops(in(Packet("10.90.0.9", "10.90.0.2").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_SOURCE));
  EXPECT_TRUE(drops(in(Packet("fd90::9", "fd90::2").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_SOURCE));
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.9").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_DESTINATION));
  EXPECT_TRUE(drops(out(Packet("fd90::2", "2001:db8::1").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_DESTINATION));
  EXPECT_TRUE(drops(in(Packet("0.0.0.0", "10.90.0.2").udp(68, 67)), KRAIT_REASON_UNKNOWN_SOURCE));
}

TEST_F(Identity, AnyIdentityIsNotAnyAddress) {
  const Outcome outcome = in(Packet("192.0.2.1", "10.90.0.2").tcp(1, 2, kSyn));
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_UNKNOWN_SOURCE));
  EXPECT_EQ(outcome.program.source_tag, 0U);
}

TEST_F(Identity, LeavingOnlyWithOwnSources) {
  EXPECT_TRUE(passes(out(Packet("10.90.0.2", "10.90.0.1").tcp(1, 2, kSyn))));
  EXPECT_TRUE(passes(out(Packet("10.30.7.7", "10.90.0.1").tcp(1, 2, kSyn)))) << "a host behind this one";
  EXPECT_TRUE(drops(out(Packet("10.90.0.3", "10.90.0.1").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_NOT_LOCAL));
  EXPECT_TRUE(drops(out(Packet("fd90::3", "fd90::1").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_NOT_LOCAL));
}

TEST_F(Identity, ArrivingNeverWithOwnSources) {
  EXPECT_TRUE(drops(in(Packet("10.90.0.2", "10.90.0.2").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_IS_LOCAL));
  EXPECT_TRUE(drops(in(Packet("10.30.7.7", "10.90.0.2").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_IS_LOCAL));
  EXPECT_TRUE(drops(in(Packet("fd90::2", "fd30::1").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_IS_LOCAL));
}

// A neighbour on any of the host's links may send with whatever source it likes.
TEST_F(Identity, WhatOthersSendNeverSpeaksAsThisHost) {
  EXPECT_TRUE(drops(forward(Packet("fd90::2", "fd90::1").tcp(1, 2, kSyn)), KRAIT_REASON_REVERSE_PATH));
  EXPECT_TRUE(drops(relay(Packet("fd90::2", "fd90::1").tcp(1, 2, kSyn)), KRAIT_REASON_REVERSE_PATH));
  EXPECT_TRUE(passes(forward(Packet("10.90.0.2", "10.90.0.1").tcp(1, 2, kSyn)))) << "masqueraded";
}

TEST_F(Identity, NetworksBehindDoNotComeThroughTheTunnel) {
  EXPECT_TRUE(drops(relay(Packet("10.30.7.7", "10.90.0.1").tcp(1, 2, kSyn)), KRAIT_REASON_REVERSE_PATH));
  EXPECT_TRUE(drops(relay(Packet("fd30::7", "fd90::1").tcp(1, 2, kSyn)), KRAIT_REASON_REVERSE_PATH));
  EXPECT_TRUE(passes(forward(Packet("10.30.7.7", "10.90.0.1").tcp(1, 2, kSyn))));
  EXPECT_TRUE(drops(forward(Packet("10.90.0.3", "10.90.0.1").tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_NOT_LOCAL));
}

TEST_F(Identity, NothingLeavesForThisHostOrWhatIsBehind) {
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.30.7.7").tcp(1, 2, kSyn)), KRAIT_REASON_DESTINATION_IS_LOCAL));
  EXPECT_TRUE(drops(out(Packet("fd90::2", "fd90::2").tcp(1, 2, kSyn)), KRAIT_REASON_DESTINATION_IS_LOCAL));
  EXPECT_TRUE(drops(relay(Packet("10.90.0.1", "10.90.0.2").tcp(1, 2, kSyn)), KRAIT_REASON_DESTINATION_IS_LOCAL));
}

TEST_F(Identity, RelayingIsNotSpoofing) {
  const Packet packet = Packet("10.90.0.1", "10.20.1.1").tcp(40000, 80, kSyn);
  EXPECT_TRUE(passes(in(packet)));
  EXPECT_TRUE(drops(out(packet), KRAIT_REASON_SOURCE_NOT_LOCAL));
  EXPECT_TRUE(passes(relay(packet)));
}

TEST_F(Identity, RelayedPacketsAreJudgedByTheirRealEnds) {
  policy({allow("web to site", kWeb, kSite, tcp(80))});
  const Packet packet = Packet("10.90.0.1", "10.20.1.1").tcp(40000, 80, kSyn);
  EXPECT_TRUE(passes_by(in(packet), "web to site"));
  EXPECT_TRUE(passes_by(relay(packet), "web to site"));
  const Packet answer = Packet("10.20.1.1", "10.90.0.1").tcp(80, 40000, kSyn | kAck);
  EXPECT_TRUE(passes_by(in(answer), "web to site"));
  EXPECT_TRUE(passes_by(relay(answer), "web to site"));
  const Packet other = Packet("10.90.0.1", "10.20.1.1").tcp(40000, 81, kSyn);
  EXPECT_TRUE(drops(in(other), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(relay(other), KRAIT_REASON_NO_RULE));
}

TEST_F(Identity, TheLongestPrefixWins) {
  EXPECT_EQ(source_tag("10.20.0.0"), kSite);
  EXPECT_EQ(source_tag("10.20.4.255"), kSite);
  EXPECT_EQ(source_tag("10.20.5.0"), kLab);
  EXPECT_EQ(source_tag("10.20.5.8"), kLab);
  EXPECT_EQ(source_tag("10.20.5.9"), kBoss);
  EXPECT_EQ(source_tag("10.20.5.10"), kLab);
  EXPECT_EQ(source_tag("10.20.6.0"), kSite);
  EXPECT_EQ(source_tag("10.21.0.0"), 0U);
  EXPECT_EQ(source_tag("fd20::"), kSite);
  EXPECT_EQ(source_tag("fd20:0:ffff::1"), kSite);
  EXPECT_EQ(source_tag("fd20:1::"), 0U);
}

TEST_F(Identity, ADefaultRouteIsAPrefixToo) {
  bindings().push_back({*common::Prefix::parse("0.0.0.0/0"), 3, 2, true});
  bindings().push_back({*common::Prefix::parse("::/0"), 4, 2, true});
  policy({allow("all", kAny, kAny, everything())});
  EXPECT_EQ(source_tag("192.0.2.1"), kSite);
  EXPECT_EQ(source_tag("10.20.5.9"), kBoss);
  EXPECT_EQ(source_tag("fe00::1"), kLab);
  EXPECT_EQ(source_tag("fd90::1"), kWeb);
}

TEST_F(Identity, HostsBehindGatewaysHaveTheirOwn) {
  policy({allow("site to cellar", kSite, kCellar, tcp(22))});
  EXPECT_TRUE(passes(in(Packet("10.20.1.1", "10.30.1.1").tcp(40000, 22, kSyn))));
  EXPECT_TRUE(passes(out(Packet("10.30.1.1", "10.20.1.1").tcp(22, 40000, kSyn | kAck))));
  EXPECT_TRUE(drops(in(Packet("10.90.0.3", "10.30.1.1").tcp(40000, 22, kSyn)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(Packet("10.20.5.1", "10.30.1.1").tcp(40000, 22, kSyn)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(Packet("10.20.1.1", "10.90.0.2").tcp(40000, 22, kSyn)), KRAIT_REASON_NO_RULE));
}

// Otherwise ::ffff:10.90.0.1 would pass for web.
TEST_F(Identity, Ipv4AddressesInDisguise) {
  EXPECT_TRUE(drops(in(Packet("::ffff:10.90.0.1", "fd90::2").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_SOURCE));
  EXPECT_TRUE(drops(in(Packet("fd90::1", "::ffff:10.90.0.2").tcp(1, 2, kSyn)), KRAIT_REASON_UNKNOWN_DESTINATION));
}

}  // namespace
}  // namespace krait::bpf_test
