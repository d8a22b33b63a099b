// ICMP and ICMPv6: queries, their replies, and errors about live flows.
#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::kAck;
using packets::kSyn;

class Icmp : public Guard {
 protected:
  // web opens tcp/5432 to db, in both families.
  void open() {
    policy({rule_});
    ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kSyn))));
    ASSERT_TRUE(passes(in(Packet("fd90::1", "fd90::2").tcp(40000, 5432, kSyn))));
  }
  const model::Rule rule_ = allow("web to db", kWeb, kDb, tcp(5432));
};

Packet ping(std::uint16_t identifier) { return Packet("10.90.0.1", "10.90.0.2").icmp(8, 0, identifier).payload(56); }
Packet pong(std::uint16_t identifier) { return Packet("10.90.0.2", "10.90.0.1").icmp(0, 0, identifier).payload(56); }
Packet ping_v6(std::uint16_t identifier) { return Packet("fd90::1", "fd90::2").icmp(128, 0, identifier); }
Packet pong_v6(std::uint16_t identifier) { return Packet("fd90::2", "fd90::1").icmp(129, 0, identifier); }
// What db sent to web on the connection, as a router on the way would quote it.
Packet answer() { return Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40000, kAck).payload(1400); }
Packet answer_v6() { return Packet("fd90::2", "fd90::1").tcp(5432, 40000, kAck).payload(1400); }

TEST_F(Icmp, EchoByTypeAndIdentifier) {
  policy({allow("ping", kWeb, kDb, icmp(8))});
  EXPECT_TRUE(passes(in(ping(7))));
  EXPECT_TRUE(passes_by(out(pong(7)), "ping"));
  EXPECT_TRUE(drops(out(pong(8)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp(13, 0, 7)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(ping_v6(7)), KRAIT_REASON_NO_RULE)) << "the type of the other family";
}

TEST_F(Icmp, EchoIpv6) {
  policy({allow("ping", kWeb, kDb, icmpv6(128))});
  EXPECT_TRUE(passes(in(ping_v6(7))));
  EXPECT_TRUE(passes_by(out(pong_v6(7)), "ping"));
  EXPECT_TRUE(drops(out(pong_v6(8)), KRAIT_REASON_NO_RULE));
}

TEST_F(Icmp, BothMayPingWithOneIdentifier) {
  policy({allow("ping", kAny, kAny, icmp(8))});
  ASSERT_TRUE(passes(in(ping(7))));
  ASSERT_TRUE(passes(out(Packet("10.90.0.2", "10.90.0.1").icmp(8, 0, 7))));
  EXPECT_TRUE(passes(out(pong(7))));
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp(0, 0, 7))));
}

TEST_F(Icmp, APongToNobody) {
  policy({allow("ping", kWeb, kDb, icmp(8))});
  EXPECT_TRUE(drops(out(pong(7)), KRAIT_REASON_NO_RULE));
  ASSERT_TRUE(passes(in(ping(7))));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp(0, 0, 7)), KRAIT_REASON_NO_RULE));
}

TEST_F(Icmp, EchoByTimeAndPolicy) {
  policy({allow("ping", kWeb, kDb, icmp(8))});
  ASSERT_TRUE(passes(in(ping(7))));
  advance(KRAIT_ICMP_S + 1);
  EXPECT_TRUE(drops(out(pong(7)), KRAIT_REASON_NO_RULE));
  ASSERT_TRUE(passes(in(ping(7))));
  policy({});
  EXPECT_TRUE(drops(out(pong(7)), KRAIT_REASON_FLOW_REVOKED));
}

TEST_F(Icmp, OtherQueries) {
  policy({allow("time", kWeb, kDb, icmp(13))});
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp(13, 0, 3))));
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").icmp(14, 0, 3)), "time"));
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.1").icmp(0, 0, 3)), KRAIT_REASON_NO_RULE));
}

// A neighbour with a flow of her own quotes a packet of it whose routing header ends at somebody else: that is whose
// the kernel takes it for.
TEST_F(Icmp, QuotedRoutingHeadersHideNobody) {
  open();
  const auto error = [](const Packet& quoted) { return Packet("fd90::1", "fd90::2").icmp_error(1, 4, quoted); };
  const Packet plain = Packet("fd90::2", "fd90::1").extension(packets::kDestinationOptions);
  Packet routed = plain;
  routed.extension(packets::kRouting, 3, 4, 0).tcp(5432, 40000, kAck);
  EXPECT_TRUE(drops(in(error(routed)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  Packet honest = plain;
  EXPECT_TRUE(passes_by(in(error(honest.tcp(5432, 40000, kAck))), "web to db"));
}

// RFC 4443 2.1: all types below 128 are errors, whatever they mean.
TEST_F(Icmp, UnknownErrorsAreErrors) {
  open();
  for (const std::uint8_t type : std::array<std::uint8_t, 3>{5, 100, 127}) {
    EXPECT_TRUE(passes_by(in(Packet("fd90::1", "fd90::2").icmp_error(type, 0, answer_v6())), "web to db"));
    EXPECT_TRUE(
        drops(in(Packet("fd90::3", "fd90::2").icmp_error(type, 0, answer_v6())), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  }
}

TEST_F(Icmp, OtherTypesAreJudgedByThemselves) {
  policy({allow("redirect", kWeb, kDb, icmp(5))});
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp(5))));
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "10.90.0.1").icmp(5)), KRAIT_REASON_NO_RULE));
}

TEST_F(Icmp, PathMtuDiscoveryWorks) {
  open();
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer())), "web to db"));
  EXPECT_TRUE(passes_by(in(Packet("fd90::1", "fd90::2").icmp_error(2, 0, answer_v6(), 1232)), "web to db"));
}

// Whoever is on the mesh could else lower another's path MTU or end its connections.
TEST_F(Icmp, OthersHaveNoSay) {
  policy({rule_, allow("errors", kAny, kAny, icmp(3)), allow("errors6", kAny, kAny, icmpv6(2))});
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kSyn))));
  ASSERT_TRUE(passes(in(Packet("fd90::1", "fd90::2").tcp(40000, 5432, kSyn))));
  for (const char* other : {"10.90.0.3", "10.20.1.1", "10.20.5.9"}) {
    EXPECT_TRUE(drops(in(Packet(other, "10.90.0.2").icmp_error(3, 4, answer())), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  }
  EXPECT_TRUE(drops(in(Packet("fd90::3", "fd90::2").icmp_error(2, 0, answer_v6())), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  const Packet stranger = Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40001, kAck);
  EXPECT_TRUE(drops(in(Packet("10.90.0.3", "10.90.0.2").icmp_error(3, 4, stranger)), KRAIT_REASON_ICMP_ERROR_UNRELATED))
      << "of no flow either";
}

// site opens to db: what stands between db and the host in site is office's own host, and routers of site.
TEST_F(Icmp, GatewaysAndRoutersOfTheNetworkMaySpeak) {
  policy({allow("site to db", kSite, kDb, tcp(5432)), allow("lab to db", kLab, kDb, tcp(5432))});
  ASSERT_TRUE(passes(in(Packet("10.20.1.1", "10.90.0.2").tcp(40000, 5432, kSyn))));
  ASSERT_TRUE(passes(in(Packet("10.20.5.1", "10.90.0.2").tcp(40000, 5432, kSyn))));
  const Packet to_site = Packet("10.90.0.2", "10.20.1.1").tcp(5432, 40000, kAck);
  const Packet to_lab = Packet("10.90.0.2", "10.20.5.1").tcp(5432, 40000, kAck);
  EXPECT_TRUE(passes_by(in(Packet("10.20.1.1", "10.90.0.2").icmp_error(3, 3, to_site)), "site to db"));
  EXPECT_TRUE(passes_by(in(Packet("10.20.9.9", "10.90.0.2").icmp_error(11, 0, to_site)), "site to db"));
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.3", "10.90.0.2").icmp_error(3, 4, to_site)), "site to db"));
  EXPECT_TRUE(passes_by(in(Packet("10.20.9.9", "10.90.0.2").icmp_error(3, 4, to_lab)), "lab to db"))
      << "lab lies in site";
  EXPECT_TRUE(drops(in(Packet("10.20.5.1", "10.90.0.2").icmp_error(3, 4, to_site)), KRAIT_REASON_ICMP_ERROR_UNRELATED))
      << "site does not lie in lab";
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, to_site)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, ThisHostMaySpeakOfWhatItSendsOn) {
  policy({allow("web to cellar", kWeb, kCellar, tcp(22))});
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.30.1.1").tcp(40000, 22, kSyn))));
  const Packet request = Packet("10.90.0.1", "10.30.1.1").tcp(40000, 22, kAck);
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").icmp_error(3, 1, request)), "web to cellar"));
  EXPECT_TRUE(passes_by(forward(Packet("10.30.9.9", "10.90.0.1").icmp_error(3, 1, request)), "web to cellar"));
}

TEST_F(Icmp, AboutTheInitiatorsPacketsToo) {
  open();
  const Packet request = Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kAck);
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").icmp_error(3, 3, request)), "web to db"));
}

TEST_F(Icmp, EightBytesOfTransportAreEnough) {
  open();
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer(), 28))));
  EXPECT_TRUE(
      drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer(), 27)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, AboutAPing) {
  policy({allow("ping", kWeb, kDb, icmp(8))});
  ASSERT_TRUE(passes(in(ping(7))));
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 1, pong(7))), "ping"));
  EXPECT_TRUE(passes_by(out(Packet("10.90.0.2", "10.90.0.1").icmp_error(3, 1, ping(7))), "ping"));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 1, pong(8))), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, AnErrorAboutNoFlow) {
  open();
  const Packet stranger = Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40001, kAck);
  EXPECT_TRUE(
      drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, stranger)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  const Packet stranger_v6 = Packet("fd90::2", "fd90::1").tcp(5433, 40000, kAck);
  EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").icmp_error(2, 0, stranger_v6)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, AnErrorToSomebodyElse) {
  open();
  EXPECT_TRUE(
      drops(in(Packet("10.90.0.1", "10.30.0.1").icmp_error(3, 4, answer())), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, AnErrorFromNobody) {
  open();
  EXPECT_TRUE(drops(in(Packet("192.0.2.1", "10.90.0.2").icmp_error(3, 4, answer())), KRAIT_REASON_UNKNOWN_SOURCE));
}

TEST_F(Icmp, AnErrorAboutARevokedFlow) {
  open();
  policy({allow("unreachable", kAny, kAny, icmp(3))});
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer())), KRAIT_REASON_FLOW_REVOKED));
}

TEST_F(Icmp, AnErrorKeepsNoFlowAlive) {
  policy({allow("dns", kWeb, kDb, udp(53))});
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").udp(5353, 53))));
  const Packet reply = Packet("10.90.0.2", "10.90.0.1").udp(53, 5353);
  advance(KRAIT_UDP_S);
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 3, reply))));
  advance(1);
  EXPECT_TRUE(drops(out(reply), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 3, reply)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, UnrelatedErrorsByType) {
  policy({allow("unreachable", kWeb, kDb, icmp(3)), deny("no exceeded", kWeb, kDb, icmp(11))});
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer())), "unreachable"));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(11, 0, answer())), KRAIT_REASON_DENIED_BY_RULE));
}

TEST_F(Icmp, AQuoteThatCannotBeRead) {
  open();
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp(3, 4)), KRAIT_REASON_ICMP_ERROR_UNRELATED));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer().version(5))),
                    KRAIT_REASON_ICMP_ERROR_UNRELATED));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").icmp_error(3, 4, answer().fragment(1, 16, false))),
                    KRAIT_REASON_ICMP_ERROR_UNRELATED));
}

TEST_F(Icmp, NeighbourDiscoveryIsNotUsed) {
  policy({allow("all", kAny, kAny, everything())});
  for (std::uint8_t type = 133; type <= 137; ++type) {
    EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").icmp(type)), KRAIT_REASON_NEIGHBOUR_DISCOVERY));
    EXPECT_TRUE(drops(out(Packet("fd90::2", "ff02::1").icmp(type)), KRAIT_REASON_NEIGHBOUR_DISCOVERY));
  }
  EXPECT_TRUE(passes(in(Packet("fd90::1", "fd90::2").icmp(138))));
}

}  // namespace
}  // namespace krait::bpf_test
