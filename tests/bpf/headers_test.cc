// Headers: what is understood, what is too broken to be judged, and what has no place on this link.
#include "tests/bpf/guard.h"

namespace krait::bpf_test {
namespace {

using packets::Bytes;
using packets::kAck;
using packets::kSyn;

class HeadersAllowAll : public Guard {
 protected:
  void SetUp() override {
    Guard::SetUp();
    if (!IsSkipped()) {
      policy({allow("all", kAny, kAny, everything())});
    }
  }
};

class Headers : public Guard {};

Packet v4() { return {"10.90.0.1", "10.90.0.2"}; }
Packet v6() { return {"fd90::1", "fd90::2"}; }

TEST_F(Headers, PortsBehindIpv4Options) {
  policy({allow("sql", kWeb, kDb, tcp(5432))});
  for (std::size_t bytes = 4; bytes <= 40; bytes += 4) {
    EXPECT_TRUE(passes(in(v4().options(Bytes(bytes, std::byte{1})).tcp(40000, 5432, kAck))));
    EXPECT_TRUE(drops(in(v4().options(Bytes(bytes, std::byte{1})).tcp(40000, 5433, kAck)), KRAIT_REASON_NO_RULE));
  }
}

TEST_F(Headers, PortsBehindIpv6Extensions) {
  policy({allow("sql", kWeb, kDb, tcp(5432))});
  Packet good = v6().extension(packets::kHopByHop, 2);
  Packet bad = good;
  for (int i = 0; i < 7; ++i) {
    good.extension(packets::kDestinationOptions, 3);
    bad.extension(packets::kDestinationOptions, 3);
    EXPECT_TRUE(passes(in(good.tcp(40000, 5432, kAck)))) << i;
    EXPECT_TRUE(drops(in(bad.tcp(40000, 5433, kAck)), KRAIT_REASON_NO_RULE)) << i;
  }
  EXPECT_TRUE(drops(in(good.extension(packets::kDestinationOptions)), KRAIT_REASON_EXTENSION_HEADERS));
}

TEST_F(Headers, IcmpBehindExtensions) {
  policy({allow("ping", kWeb, kDb, icmpv6(128))});
  EXPECT_TRUE(passes(in(v6().extension(packets::kHopByHop).icmp(128, 0, 1))));
  EXPECT_TRUE(drops(in(v6().extension(packets::kHopByHop).icmp(130)), KRAIT_REASON_NO_RULE));
}

// What such a packet names is not where it goes in the end.
TEST_F(HeadersAllowAll, SourceRoutes) {
  for (const std::uint8_t type : {std::uint8_t{131}, std::uint8_t{137}}) {
    const Bytes route{std::byte{type}, std::byte{7}, std::byte{4}, std::byte{10},
                      std::byte{30},   std::byte{0}, std::byte{77}};
    for (std::size_t nops = 0; nops <= 33; ++nops) {
      Bytes options(nops, std::byte{1});
      options.insert(options.end(), route.begin(), route.end());
      EXPECT_TRUE(drops(in(v4().options(options).tcp(1, 2, kSyn)), KRAIT_REASON_SOURCE_ROUTE)) << nops;
    }
    EXPECT_TRUE(drops(in(v4().options(route).udp(1, 2).payload(8).fragment(7, 0, true)), KRAIT_REASON_SOURCE_ROUTE));
    EXPECT_TRUE(drops(in(v4().options(route).udp(1, 2).fragment(7, 16, false).payload(8)), KRAIT_REASON_SOURCE_ROUTE));
    Bytes behind_the_end{std::byte{0}};
    behind_the_end.insert(behind_the_end.end(), route.begin(), route.end());
    EXPECT_TRUE(passes(in(v4().options(behind_the_end).tcp(1, 2, kSyn))));
  }
  const Bytes record_route{std::byte{7},   std::byte{7}, std::byte{4}, std::byte{131},
                           std::byte{137}, std::byte{0}, std::byte{0}};
  EXPECT_TRUE(passes(in(v4().options(record_route).tcp(1, 2, kSyn)))) << "an address is no option";
  const Bytes router_alert{std::byte{148}, std::byte{4}, std::byte{0}, std::byte{0}};
  EXPECT_TRUE(passes(in(v4().options(router_alert).tcp(1, 2, kSyn))));
}

TEST_F(HeadersAllowAll, OptionsThatEndNowhere) {
  for (const Bytes& options :
       {Bytes{std::byte{7}, std::byte{5}, std::byte{0}, std::byte{0}}, Bytes{std::byte{7}, std::byte{1}},
        Bytes{std::byte{1}, std::byte{1}, std::byte{1}, std::byte{68}},
        Bytes{std::byte{1}, std::byte{131}, std::byte{0}, std::byte{0}}, Bytes{std::byte{131}, std::byte{255}}}) {
    EXPECT_TRUE(drops(in(v4().options(options).tcp(1, 2, kSyn)), KRAIT_REASON_MALFORMED)) << packets::hex(options);
  }
}

TEST_F(HeadersAllowAll, RoutingHeaders) {
  EXPECT_TRUE(drops(in(v6().extension(packets::kRouting, 3, 4, 1).tcp(1, 2, kSyn)), KRAIT_REASON_ROUTING_HEADER));
  EXPECT_TRUE(
      drops(in(v6().extension(packets::kRouting, 3, 2, 1).fragment(7, 16, false)), KRAIT_REASON_ROUTING_HEADER));
  EXPECT_TRUE(drops(in(v6().extension(packets::kRouting, 3, 0, 1).tcp(1, 2, kSyn)), KRAIT_REASON_ROUTING_HEADER));
  EXPECT_TRUE(drops(in(v6().extension(packets::kHopByHop).extension(packets::kRouting, 1, 0, 0).tcp(1, 2, kSyn)),
                    KRAIT_REASON_ROUTING_HEADER));
  EXPECT_TRUE(passes(in(v6().extension(packets::kRouting, 3, 4, 0).tcp(1, 2, kSyn))));
}

TEST_F(HeadersAllowAll, HopByHopOptionsComeFirst) {
  EXPECT_TRUE(drops(in(v6().extension(packets::kDestinationOptions).extension(packets::kHopByHop).tcp(1, 2, kSyn)),
                    KRAIT_REASON_MALFORMED));
}

TEST_F(HeadersAllowAll, NotIp) {
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).ether_type(0x0806)), KRAIT_REASON_NOT_IP));
  EXPECT_TRUE(drops(out(v4().tcp(1, 2, kSyn).ether_type(0x88cc)), KRAIT_REASON_NOT_IP));
}

TEST_F(HeadersAllowAll, VersionsThatLie) {
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).version(6)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).version(0)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v6().tcp(1, 2, kSyn).version(4)), KRAIT_REASON_MALFORMED));
}

TEST_F(HeadersAllowAll, Ipv4Lengths) {
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).header_words(4)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).total_length(19)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).total_length(0)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).total_length(41)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).total_length(65535)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).header_words(15).total_length(40)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(passes(in(v4().tcp(1, 2, kSyn).padding(6)))) << "padding is not the packet";
}

TEST_F(HeadersAllowAll, Ipv6Lengths) {
  EXPECT_TRUE(drops(in(v6().tcp(1, 2, kSyn).total_length(21)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v6().tcp(1, 2, kSyn).total_length(19)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v6().tcp(1, 2, kSyn).total_length(0)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(
      drops(in(v6().extension(packets::kDestinationOptions, 4).cut(60).total_length(20)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(passes(in(v6().tcp(1, 2, kSyn).padding(6))));
}

TEST_F(HeadersAllowAll, EveryCutBehindTheIpHeader) {
  for (std::size_t bytes = 20; bytes < 40; ++bytes) {
    EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).cut(bytes)), KRAIT_REASON_TRUNCATED)) << bytes;
  }
  for (std::size_t bytes = 40; bytes < 60; ++bytes) {
    EXPECT_TRUE(drops(in(v6().tcp(1, 2, kSyn).cut(bytes)), KRAIT_REASON_TRUNCATED)) << bytes;
  }
}

// Newer kernels do not present these to a program in a test run, so no counter moves.
TEST_F(HeadersAllowAll, EveryCutOfTheIpHeader) {
  for (std::size_t bytes = 0; bytes < 20; ++bytes) {
    EXPECT_EQ(in(v4().tcp(1, 2, kSyn).cut(bytes)).program.reason, KRAIT_REASON_TRUNCATED) << bytes;
  }
  for (std::size_t bytes = 0; bytes < 40; ++bytes) {
    EXPECT_EQ(in(v6().tcp(1, 2, kSyn).cut(bytes)).program.reason, KRAIT_REASON_TRUNCATED) << bytes;
  }
}

// The IP header itself says that the packet is over.
TEST_F(HeadersAllowAll, TransportHeadersThatDoNotFit) {
  EXPECT_TRUE(drops(in(v4().protocol(packets::kTcp).payload(19)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v4().protocol(packets::kUdp).payload(7)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v4().protocol(packets::kSctp).payload(11)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v4().protocol(packets::kIcmp).payload(7)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(drops(in(v6().protocol(packets::kIcmpv6).payload(7)), KRAIT_REASON_TRUNCATED));
  EXPECT_TRUE(passes(in(v4().protocol(packets::kGre))));
}

TEST_F(HeadersAllowAll, TransportLengthsThatLie) {
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).tcp_header_words(4)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().tcp(1, 2, kSyn).tcp_header_words(6)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(passes(in(v4().tcp(1, 2, kSyn).tcp_header_words(15).payload(40))));
  EXPECT_TRUE(drops(in(v4().udp(1, 2).udp_length(7).payload(10)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(drops(in(v4().udp(1, 2).udp_length(19).payload(10)), KRAIT_REASON_MALFORMED));
  EXPECT_TRUE(passes(in(v4().udp(1, 2).udp_length(9).payload(10))));
}

TEST_F(HeadersAllowAll, MulticastAndBroadcast) {
  EXPECT_TRUE(drops(out(Packet("10.90.0.2", "224.0.0.251").udp(5353, 5353)), KRAIT_REASON_MULTICAST));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "239.255.255.255").udp(1, 1)), KRAIT_REASON_MULTICAST));
  EXPECT_TRUE(drops(out(Packet("fd90::2", "ff02::fb").udp(5353, 5353)), KRAIT_REASON_MULTICAST));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "255.255.255.255").udp(68, 67)), KRAIT_REASON_BROADCAST));
  EXPECT_TRUE(drops(in(Packet("10.90.0.1", "240.0.0.1").udp(1, 1)), KRAIT_REASON_UNKNOWN_DESTINATION));
}

}  // namespace
}  // namespace krait::bpf_test
