// Fragments: the first is judged by its ports, the later ones by what the first said.
#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::kAck;
using packets::kSyn;

class Fragments : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      policy({allow("dns", kWeb, kDb, udp(53)), allow("sql", kWeb, kDb, tcp(5432)), allow("ping", kWeb, kDb, icmp(8))});
    }
  }
};

Packet first(std::uint16_t port, std::uint32_t id = 77) {
  return Packet("10.90.0.1", "10.90.0.2").udp(5353, port).udp_length(2000).payload(1472).fragment(id, 0, true);
}
Packet later(std::uint32_t id = 77, std::uint16_t offset = 1480, bool more = false) {
  return Packet("10.90.0.1", "10.90.0.2").udp(0, 0).payload(520).fragment(id, offset, more);
}
Packet first_v6(std::uint16_t port) {
  return Packet("fd90::1", "fd90::2").fragment(99, 0, true).udp(5353, port).udp_length(2000).payload(1224);
}
Packet later_v6() { return Packet("fd90::1", "fd90::2").fragment(99, 1232, false).udp(0, 0).payload(300); }

TEST_F(Fragments, LaterOnesFollowTheFirst) {
  EXPECT_TRUE(passes_by(in(first(53)), "dns"));
  EXPECT_TRUE(passes_by(in(later(77, 1480, true)), "dns"));
  EXPECT_TRUE(passes_by(in(later(77, 2000)), "dns"));
  EXPECT_TRUE(passes_by(in(first_v6(53)), "dns"));
  EXPECT_TRUE(passes_by(in(later_v6()), "dns"));
}

TEST_F(Fragments, ADeniedFirstOneIsNotRemembered) {
  EXPECT_TRUE(drops(in(first(54)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(later()), KRAIT_REASON_FRAGMENT_UNKNOWN));
  EXPECT_TRUE(drops(in(first_v6(54)), KRAIT_REASON_NO_RULE));
  EXPECT_TRUE(drops(in(later_v6()), KRAIT_REASON_FRAGMENT_UNKNOWN));
}

TEST_F(Fragments, TheirOrderCounts) {
  EXPECT_TRUE(drops(in(later()), KRAIT_REASON_FRAGMENT_UNKNOWN));
  EXPECT_TRUE(passes(in(first(53))));
  EXPECT_TRUE(passes(in(later())));
}

TEST_F(Fragments, OnlyOfTheSameDatagram) {
  ASSERT_TRUE(passes(in(first(53, 77))));
  EXPECT_TRUE(drops(in(later(78)), KRAIT_REASON_FRAGMENT_UNKNOWN));
  EXPECT_TRUE(drops(in(Packet("10.90.0.3", "10.90.0.2").udp(0, 0).payload(8).fragment(77, 1480, false)),
                    KRAIT_REASON_FRAGMENT_UNKNOWN));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").sctp(0, 0).payload(8).fragment(77, 1480, false)),
                    KRAIT_REASON_FRAGMENT_UNKNOWN));
}

TEST_F(Fragments, RememberedForAMinute) {
  ASSERT_TRUE(passes(in(first(53))));
  advance(KRAIT_FRAGMENT_S);
  EXPECT_TRUE(passes(in(later())));
  advance(1);
  EXPECT_TRUE(drops(in(later()), KRAIT_REASON_FRAGMENT_UNKNOWN));
}

TEST_F(Fragments, TheVerdictIsNotRemembered) {
  ASSERT_TRUE(passes(in(first(53))));
  policy({});
  EXPECT_TRUE(drops(in(later()), KRAIT_REASON_NO_RULE));
}

TEST_F(Fragments, OfReplies) {
  ASSERT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").udp(5353, 53).payload(30))));
  const auto reply = [] { return Packet("10.90.0.2", "10.90.0.1").udp(53, 5353); };
  EXPECT_TRUE(passes_by(out(reply().udp_length(3000).payload(1472).fragment(5, 0, true)), "dns"));
  EXPECT_TRUE(passes_by(out(reply().payload(600).fragment(5, 1480, false)), "dns"));
}

TEST_F(Fragments, OfPings) {
  EXPECT_TRUE(passes(in(Packet("10.90.0.1", "10.90.0.2").icmp(8, 0, 1).payload(1472).fragment(5, 0, true))));
  EXPECT_TRUE(passes_by(in(Packet("10.90.0.1", "10.90.0.2").icmp(8).payload(100).fragment(5, 1480, false)), "ping"));
}

TEST_F(Fragments, AnAtomicOneIsAWholePacket) {
  EXPECT_TRUE(passes(in(Packet("fd90::1", "fd90::2").fragment(99, 0, false).udp(5353, 53).payload(3))));
  EXPECT_TRUE(drops(in(later_v6()), KRAIT_REASON_FRAGMENT_UNKNOWN));
}

TEST_F(Fragments, ATcpFragmentMayNotOverwriteFlags) {
  const auto syn = Packet("10.90.0.1", "10.90.0.2").tcp(40000, 5432, kSyn).payload(4).fragment(5, 0, true);
  ASSERT_TRUE(passes(in(syn)));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").tcp(0, 0, 0).payload(16).fragment(5, 8, false)),
                    KRAIT_REASON_FRAGMENT_OVERLAP));
  const auto syn_v6 = Packet("fd90::1", "fd90::2").fragment(5, 0, true).tcp(40000, 5432, kSyn).payload(4);
  ASSERT_TRUE(passes(in(syn_v6)));
  EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").fragment(5, 8, false).tcp(0, 0, 0).payload(16)),
                    KRAIT_REASON_FRAGMENT_OVERLAP));
}

// Reassembly takes the next header from the first fragment only (RFC 8200 4.5), so the later one may lie about it.
TEST_F(Fragments, NorOneThatCallsItselfSomethingElse) {
  ASSERT_TRUE(passes(in(Packet("fd90::1", "fd90::2").fragment(5, 0, true).tcp(40000, 5432, kSyn).payload(4))));
  EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").fragment(5, 8, false).protocol(253).payload(16)),
                    KRAIT_REASON_FRAGMENT_OVERLAP));
}

TEST_F(Fragments, AShortFirstOne) {
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "10.90.0.2").protocol(packets::kTcp).payload(16).fragment(5, 0, true)),
                    KRAIT_REASON_FRAGMENT_SHORT));
  EXPECT_TRUE(drops(
      in(Packet("10.90.0.1", "10.90.0.2").tcp(1, 5432, kAck).tcp_header_words(10).payload(4).fragment(5, 0, true)),
      KRAIT_REASON_FRAGMENT_SHORT));
  EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").fragment(5, 0, true).protocol(packets::kTcp).payload(16)),
                    KRAIT_REASON_FRAGMENT_SHORT));
}

// RFC 7112: all extension headers are in the first fragment.
TEST_F(Fragments, AnExtensionHeaderChainThatGoesOn) {
  packets::Bytes half(8);
  half[0] = std::byte{packets::kUdp};
  half[1] = std::byte{3};  // 32 bytes, of which 8 are here
  EXPECT_TRUE(
      drops(in(Packet("fd90::1", "fd90::2").fragment(5, 0, true).protocol(packets::kDestinationOptions).payload(half)),
            KRAIT_REASON_FRAGMENT_SHORT));
}

TEST_F(Fragments, Impossible) {
  const auto bare = [] { return Packet("10.90.0.1", "10.90.0.2").udp(5353, 53); };
  EXPECT_TRUE(drops(in(bare().payload(100).fragment(5, 65528, false)), KRAIT_REASON_MALFORMED)) << "ends behind 65535";
  EXPECT_TRUE(drops(in(bare().payload(0).fragment(5, 1480, false)), KRAIT_REASON_MALFORMED)) << "empty";
  EXPECT_TRUE(drops(in(bare().payload(13).fragment(5, 1480, true)), KRAIT_REASON_MALFORMED)) << "not a multiple of 8";
  EXPECT_TRUE(drops(in(Packet("fd90::1", "fd90::2").fragment(5, 0, true).fragment(6, 0, true).udp(5353, 53).payload(8)),
                    KRAIT_REASON_MALFORMED))
      << "a fragment of a fragment";
}

}  // namespace
}  // namespace krait::bpf_test
