// Who may open, what a reply is, and what a policy change does to both.
#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::kAck;
using packets::kFin;
using packets::kRst;
using packets::kSyn;

// web:40000 <-> db:5432, as db sees it.
Packet to_db(std::uint8_t flags) { return Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, flags); }
Packet to_web(std::uint8_t flags) { return Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40000, flags); }
Packet to_db_v6(std::uint8_t flags) { return Packet("fd90::1", "fd90::2").tcp(40000, 5432, flags); }
Packet to_web_v6(std::uint8_t flags) { return Packet("fd90::2", "fd90::1").tcp(5432, 40000, flags); }
Packet query() { return Packet("10.90.0.1", "10.90.0.2").udp(5353, 53).payload(30); }
Packet answer() { return Packet("10.90.0.2", "10.90.0.1").udp(53, 5353).payload(200); }

model::Rule web_to_db() { return allow("web to db", kWeb, kDb, tcp(5432)); }
model::Rule dns() { return allow("dns", kWeb, kDb, udp(53)); }

class Flow : public Guard {
 protected:
  void open() {
    ASSERT_TRUE(passes(in(to_db(kSyn))));
    ASSERT_TRUE(passes(out(to_web(kSyn | kAck))));
    ASSERT_TRUE(passes(in(to_db(kAck))));
  }
};

// Nobody can aim at another's mark; should two flows have the same one all the same, both are found.
TEST_F(Flow, OthersOfTheSameMarkDoNotHideAFlow) {
  policy({web_to_db()});
  open();
  int hidden = 0;
  rewrite_flows([&](krait_flow_bucket& bucket) {
    const auto* own = std::ranges::find_if(bucket.flows, [](const krait_flow& flow) {
      return flow.key.a_be[3] != 0 && flow.key.protocol == IPPROTO_TCP &&
             (flow.key.port_a_be == htons(40000) || flow.key.port_b_be == htons(40000));
    });
    if (own == std::end(bucket.flows)) {
      return;
    }
    const krait_flow flow = *own;
    const std::uint64_t mark = bucket.marks[own - bucket.flows];
    for (std::size_t way = 0; way < KRAIT_FLOW_WAYS; ++way) {
      bucket.marks[way] = mark;
      bucket.flows[way] = flow;
      bucket.flows[way].key.a_be[0] ^= static_cast<std::uint32_t>(KRAIT_FLOW_WAYS - 1 - way);  // the last is the own
    }
    ++hidden;
  });
  EXPECT_EQ(hidden, 1);
  EXPECT_TRUE(passes(out(to_web(kAck))));
  EXPECT_TRUE(passes(in(to_db(kAck))));
}

TEST_F(Flow, NothingPassesBeforeThereIsAPolicy) {
  load_anew();
  EXPECT_TRUE(drops(in(to_db(kSyn)), KRAIT_REASON_NO_POLICY));
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_POLICY));
}

TEST_F(Flow, AnEmptyPolicyDeniesEverything) {
  policy({});
  EXPECT_TRUE(drops(in(to_db(kSyn)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, AllowedByItsRule) {
  policy({allow("other", kWeb, kDb, tcp(80)), web_to_db()});
  const Outcome outcome = in(to_db(kSyn));
  EXPECT_TRUE(passes_by(outcome, "web to db"));
  EXPECT_EQ(outcome.program.source_tag, kWeb);
  EXPECT_EQ(outcome.program.destination_tag, kDb);
}

TEST_F(Flow, DenyWinsWhereverItStands) {
  policy({web_to_db(), deny("never", kWeb, kDb, tcp(5000, 6000))});
  const Outcome outcome = in(to_db(kSyn));
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_DENIED_BY_RULE));
  EXPECT_EQ(outcome.rule, "never");
}

TEST_F(Flow, TheFirstRuleOfTheFileIsNamed) {
  policy({allow("first", kAny, kDb, everything()), web_to_db()});
  EXPECT_TRUE(passes_by(in(to_db(kSyn)), "first"));
  policy({deny("first", kWeb, kAny, everything()), deny("second", kWeb, kDb, tcp(5432)), web_to_db()});
  EXPECT_EQ(in(to_db(kSyn)).rule, "first");
}

TEST_F(Flow, RangeEdges) {
  policy({allow("range", kWeb, kDb, tcp(8000, 8100))});
  const auto syn = [](std::uint16_t port) { return Packet("10.90.0.1", "10.90.0.2").tcp(1234, port, kSyn); };
  EXPECT_TRUE(drops(in(syn(7999)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(passes(in(syn(8000))));
  EXPECT_TRUE(passes(in(syn(8100))));
  EXPECT_TRUE(drops(in(syn(8101)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, TheProtocolCounts) {
  policy({web_to_db()});
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").udp(40000, 5432)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").sctp(40000, 5432)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, RepliesPassByTheInitiatorsRule) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  EXPECT_TRUE(passes_by(out(to_web(kSyn | kAck)), "web to db"));
  EXPECT_TRUE(passes(in(to_db(kAck))));
  EXPECT_TRUE(passes_by(out(to_web(kAck)), "web to db"));
}

TEST_F(Flow, RepliesPassIpv6) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db_v6(kSyn))));
  EXPECT_TRUE(passes_by(out(to_web_v6(kSyn | kAck)), "web to db"));
}

TEST_F(Flow, RepliesPassWhenThisHostInitiates) {
  policy({allow("db to web", kDb, kWeb, tcp(443))});
  ASSERT_TRUE(passes(out(Packet("10.90.0.2", "10.90.0.1").tcp(50000, 443, kSyn))));
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").tcp(443, 50000, kSyn | kAck)), "db to web"));
}

TEST_F(Flow, AReplyNeedsItsFlow) {
  policy({web_to_db()});
  EXPECT_TRUE(drops(out(to_web(kSyn | kAck)), KRAIT_REASON_NO_RULE));
  open();
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40001, kAck)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.1").udp(5432, 40000)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.3").tcp(5432, 40000, kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, ADenyOfTheReplysOwnDirectionDoesNotCutTheFlow) {
  policy({web_to_db(), deny("db opens nothing", kDb, kAny, everything())});
  open();
  EXPECT_TRUE(passes_by(out(to_web(kAck)), "web to db"));
}

TEST_F(Flow, RevocationStopsTheNextPacketBothWays) {
  policy({web_to_db()});
  open();
  policy({});
  EXPECT_TRUE(drops(in(to_db(kAck)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_FLOW_REVOKED));
}

TEST_F(Flow, ADenyRuleRevokesToo) {
  policy({web_to_db()});
  open();
  policy({web_to_db(), deny("enough", kWeb, kDb, everything())});
  EXPECT_TRUE(drops(in(to_db(kAck)), KRAIT_REASON_DENIED_BY_RULE));
  const Outcome outcome = out(to_web(kAck));
  EXPECT_TRUE(drops(outcome, KRAIT_REASON_FLOW_REVOKED));
  EXPECT_EQ(outcome.rule, "enough");
}

TEST_F(Flow, AfterTheGrantTheSameConnectionGoesOn) {
  policy({web_to_db()});
  open();
  policy({});
  ASSERT_TRUE(drops(in(to_db(kAck)), KRAIT_REASON_NO_RULE));
  policy({web_to_db()});
  EXPECT_TRUE(passes(out(to_web(kAck))));
  EXPECT_TRUE(passes(in(to_db(kAck))));
}

TEST_F(Flow, AnotherIdentityForTheAddressCountsAtOnce) {
  policy({web_to_db()});
  open();
  bindings()[0].identity = bindings()[4].identity;  // web's address is office's now
  policy({web_to_db()});
  EXPECT_TRUE(drops(in(to_db(kAck)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_FLOW_REVOKED));
}

TEST_F(Flow, LiveConnectionsAreAdoptedMidStream) {
  policy({web_to_db()});
  EXPECT_TRUE(passes(in(to_db(kAck))));
  EXPECT_TRUE(passes(out(to_web(kAck))));
}

TEST_F(Flow, AReplyAdoptsNothing) {
  policy({web_to_db()});
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
  ASSERT_TRUE(passes(in(to_db(kAck))));
  ASSERT_TRUE(passes(out(to_web(kAck))));
  // Nor does one that passed: once it may not open, web's packets are no replies to it.
  policy({allow("db to web", kDb, kWeb, tcp(40000))});
  EXPECT_TRUE(drops(in(to_db(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, ADeniedPacketLeavesNothingBehind) {
  policy({});
  ASSERT_TRUE(drops(in(to_db(kSyn)), KRAIT_REASON_NO_RULE));
  policy({web_to_db()});
  EXPECT_TRUE(drops(out(to_web(kSyn | kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, ASynIsNoReply) {
  policy({web_to_db()});
  open();
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, BothEndsMayOpenAtOnce) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  EXPECT_TRUE(passes(out(to_web(kSyn))));
  EXPECT_TRUE(passes(in(to_db(kSyn | kAck))));
  EXPECT_TRUE(passes(out(to_web(kSyn | kAck))));
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, WithBothDirectionsAllowedTheInitiatorStays) {
  const model::Rule back = allow("back", kDb, kWeb, tcp(40000));
  policy({web_to_db(), back});
  open();
  ASSERT_TRUE(passes_by(out(to_web(kAck)), "back"));
  policy({web_to_db()});
  EXPECT_TRUE(passes_by(out(to_web(kAck)), "web to db"));
}

TEST_F(Flow, PortReuseTurnsTheFlowRound) {
  policy({web_to_db(), allow("back", kDb, kWeb, tcp(40000))});
  open();
  ASSERT_TRUE(passes(out(to_web(kSyn))));  // db now opens from its port 5432
  policy({allow("back", kDb, kWeb, tcp(40000))});
  EXPECT_TRUE(passes_by(in(to_db(kSyn | kAck)), "back"));
}

TEST_F(Flow, AnUnansweredSynIsForgotten) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  advance(KRAIT_TCP_OPENING_S + 1);
  EXPECT_TRUE(drops(out(to_web(kSyn | kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, AnEstablishedConnectionMayBeSilentForDays) {
  policy({web_to_db()});
  open();
  advance(KRAIT_TCP_ESTABLISHED_S);
  EXPECT_TRUE(passes(out(to_web(kAck))));
  advance(KRAIT_TCP_ESTABLISHED_S + 1);
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, AResetEndsItSoon) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(out(to_web(kRst))));
  advance(KRAIT_TCP_RESET_S + 1);
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, AForgedResetDoesNotEndIt) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(out(to_web(kRst))));
  ASSERT_TRUE(passes(in(to_db(kAck))));  // the initiator did not believe it
  advance(KRAIT_TCP_RESET_S + 1);
  EXPECT_TRUE(passes(out(to_web(kAck))));
}

TEST_F(Flow, BothFinsEndIt) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(in(to_db(kFin | kAck))));
  advance(KRAIT_TCP_CLOSING_S + 1);
  EXPECT_TRUE(passes(out(to_web(kAck)))) << "half closed is not closed";
  ASSERT_TRUE(passes(out(to_web(kFin | kAck))));
  ASSERT_TRUE(passes(in(to_db(kAck))));
  advance(KRAIT_TCP_CLOSING_S + 1);
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

// db's connect to web fails; what then listens on db's port is nobody's to open.
TEST_F(Flow, ARefusedConnectLeavesNoDoor) {
  policy({allow("db to web", kDb, kWeb, tcp(443))});
  ASSERT_TRUE(passes(out(Packet("10.90.0.2", "10.90.0.1").tcp(47000, 443, kSyn))));
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").tcp(443, 47000, kRst | kAck))));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").tcp(443, 47000, kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, ACancelledConnectLeavesNoDoor) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  ASSERT_TRUE(passes(in(to_db(kRst))));
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, AFinEndsOpening) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  ASSERT_TRUE(passes(out(to_web(kFin | kAck))));
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, SynsOfTheOtherEndKeepNoAbandonedConnectOpen) {
  policy({web_to_db()});
  ASSERT_TRUE(passes(in(to_db(kSyn))));
  for (std::uint64_t waited_s = 0; waited_s < KRAIT_TCP_OPENING_S; waited_s += 5) {
    advance(5);
    ASSERT_TRUE(passes(out(to_web(kSyn)))) << waited_s;
  }
  advance(1);
  EXPECT_TRUE(drops(out(to_web(kSyn)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, TheOtherEndKeepsNoResetFlowAlive) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(in(to_db(kRst))));
  advance(KRAIT_TCP_RESET_S / 2);
  ASSERT_TRUE(passes(out(to_web(kAck))));
  ASSERT_TRUE(passes(out(to_web(kRst))));
  advance(KRAIT_TCP_RESET_S / 2 + 1);
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, TheOtherEndKeepsNoFinishedFlowAlive) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(in(to_db(kFin | kAck))));
  ASSERT_TRUE(passes(out(to_web(kFin | kAck))));
  advance(KRAIT_TCP_CLOSING_S);
  ASSERT_TRUE(passes(out(to_web(kFin | kAck))));
  advance(1);
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, TheOtherEndKeepsAnEstablishedFlowAlive) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(out(to_web(kAck))));
  advance(KRAIT_TCP_ESTABLISHED_S);
  ASSERT_TRUE(passes(out(to_web(kAck))));
  advance(KRAIT_TCP_ESTABLISHED_S);
  EXPECT_TRUE(passes(out(to_web(kAck))));
}

TEST_F(Flow, ANewConnectionMayFollowOnTheSamePorts) {
  policy({web_to_db()});
  open();
  ASSERT_TRUE(passes(in(to_db(kRst))));
  open();
  advance(KRAIT_TCP_RESET_S + 1);
  EXPECT_TRUE(passes(out(to_web(kAck))));
}

TEST_F(Flow, AResetOpensNothing) {
  policy({web_to_db()});
  EXPECT_TRUE(passes(in(to_db(kRst))));
  EXPECT_TRUE(drops(out(to_web(kAck)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, UdpByTime) {
  policy({dns()});
  ASSERT_TRUE(passes(in(query())));
  advance(KRAIT_UDP_S);
  EXPECT_TRUE(passes_by(out(answer()), "dns"));
  advance(KRAIT_UDP_S + 1);
  EXPECT_TRUE(drops(out(answer()), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(passes(in(query())));
  EXPECT_TRUE(passes(out(answer())));
}

TEST_F(Flow, UdpRevocation) {
  policy({dns()});
  ASSERT_TRUE(passes(in(query())));
  policy({});
  EXPECT_TRUE(drops(out(answer()), KRAIT_REASON_FLOW_REVOKED));
  EXPECT_TRUE(drops(in(query()), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, SctpByPort) {
  policy({allow("diameter", kWeb, kDb, sctp(3868))});
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").sctp(3868, 3868))));
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").sctp(3868, 3868)), "diameter"));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").sctp(3868, 3869)), KRAIT_REASON_NO_RULE));
}

TEST_F(Flow, OtherProtocolsByNumber) {
  policy({allow("gre", kWeb, kDb, protocol(packets::kGre)), allow("ospf", kWeb, kDb, protocol(89))});
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").protocol(packets::kGre).payload(40))));
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").protocol(packets::kGre).payload(40)), "gre"));
  EXPECT_TRUE(passes(in(Packet("fd90::1", "fd90::2").protocol(89))));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").protocol(packets::kEsp).payload(40)), KRAIT_REASON_NO_RULE));
  advance(KRAIT_OTHER_S + 1);
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.1").protocol(packets::kGre).payload(40)), KRAIT_REASON_NO_RULE));
}

}  // namespace
}  // namespace krait::bpf_test
