// What the fence keeps out of the host's other interfaces, and what it lets in.
#include "tests/bpf/whereabouts.h"

namespace krait::bpf_test {
namespace {

// Past the tunnel, where WireGuard checks no source: to the host, and through it to the office.
TEST_F(Whereabouts, NeighboursDoNotSpeakAsPeersPastTheTunnel) {
  set("ipv4/conf/all/rp_filter", 0);
  const struct {
    Ends ends;
    Where goes_to;
  } all[] = {{{"10.90.0.3", "10.90.0.1"}, Where::socket},    {{"fd8f::2", "fd90::3"}, Where::socket},
             {{"10.50.0.5", "198.51.100.1"}, Where::socket}, {{"fd50::5", "fd40::1"}, Where::socket},
             {{"10.90.0.3", "10.20.0.77"}, Where::lan},      {{"fd8f::2", "fd20::77"}, Where::lan},
             {{"fd90::3", "fd90::3"}, Where::socket}};
  for (const auto& [ends, goes_to] : all) {
    EXPECT_EQ(send(Where::wan, Packet(ends.source, ends.destination)).seen, Seen{goes_to}) << "without the fence";
  }
  ASSERT_NO_FATAL_FAILURE(fence());
  for (const auto& [ends, goes_to] : all) {
    const Fate fate = send(Where::wan, Packet(ends.source, ends.destination));
    EXPECT_EQ(fate.in.reason, KRAIT_REASON_OUTSIDE_TUNNEL) << ends.source;
    EXPECT_EQ(fate.seen, Seen{}) << ends.source;
  }
  for (const Ends& stranger : {Ends{"198.51.100.9", "198.51.100.1"}, Ends{"fd40::9", "fd90::3"}}) {
    EXPECT_EQ(send(Where::wan, Packet(stranger.source, stranger.destination)).seen, Seen{Where::socket});
  }
}

// The host talks to itself by loopback: with addresses in a peer's network too, and as its own translations have it.
TEST_F(Whereabouts, TheFenceLeavesTheHostItself) {
  ASSERT_NO_FATAL_FAILURE(fence());
  ip("addr add 10.50.7.1/24 dev lan\naddr add fd50:0:7::1/48 dev lan nodad\n");
  for (const char* own : {"fd90::3", "10.90.0.1", "10.50.7.1", "fd50:0:7::1", "198.51.100.1"}) {
    EXPECT_EQ(speak(User::nobody, own, own).seen, Seen{Where::socket}) << own;
  }
}

// While everything is denied, as after krait down --keep-enforcing, the fence goes by what was in force before.
TEST_F(Whereabouts, TheFenceStandsWhileEverythingIsDenied) {
  set("ipv4/conf/all/rp_filter", 0);
  ASSERT_NO_FATAL_FAILURE(fence());
  ASSERT_TRUE(datapath_->deny_all());
  for (const auto& [source, destination] : {Ends{"10.90.0.3", "10.90.0.1"}, Ends{"fd8f::2", "fd90::3"}}) {
    EXPECT_EQ(send(Where::wan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
}

// From `to` on, as Ethernet has it: the tags' halves of four digits each, then the protocol.
packets::Bytes frame_head(std::array<std::uint8_t, 6> to, const std::vector<std::uint16_t>& rest) {
  packets::Bytes head;
  for (const std::uint8_t byte : to) {
    head.push_back(std::byte{byte});
  }
  for (const std::uint8_t byte : std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 9}) {
    head.push_back(std::byte{byte});
  }
  for (const std::uint16_t half : rest) {
    head.push_back(static_cast<std::byte>(half >> 8U));
    head.push_back(static_cast<std::byte>(half & 0xffU));
  }
  return head;
}

constexpr std::array<std::uint8_t, 6> kTapsMac{2, 0, 0, 0, 0, 1};

// The kernel takes tags of VLAN 0 off, however many there are.
TEST_F(Whereabouts, PriorityTagsHideNobody) {
  set("ipv4/conf/all/rp_filter", 0);
  const common::Fd tap = make_device("tap", IFF_TAP);
  set("ipv4/conf/tap/rp_filter", 0);
  ip("link set tap address 02:00:00:00:00:01\nlink set tap up\n");
  const std::vector<std::vector<std::uint16_t>> tags{
      {},
      {0x8100, 0},
      {0x8100, 0, 0x8100, 0},
      {0x88a8, 0, 0x8100, 0xe000},
      {0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0}};
  const auto fates = [&](Seen expected, const char* when) {
    for (const std::vector<std::uint16_t>& tag : tags) {
      for (const auto& [source, destination] : {Ends{"10.90.0.3", "10.90.0.1"}, Ends{"fd8f::2", "fd90::3"}}) {
        std::vector<std::uint16_t> rest = tag;
        rest.push_back(std::strchr(source, ':') == nullptr ? 0x0800 : 0x86dd);
        const Fate fate = send_frame(tap, frame_head(kTapsMac, rest), Packet(source, destination));
        EXPECT_EQ(fate.seen, expected) << when << ", " << tag.size() / 2 << " tags, " << source;
      }
    }
  };
  fates(Seen{Where::socket}, "without the fence");
  const auto nobody = [](std::uint32_t) { return false; };
  ASSERT_TRUE(datapath_->fence_off({.interfaces = {::if_nametoindex("tap")}, .ports = {}}, nobody).failures.empty());
  fates(Seen{}, "with the fence");
  const Fate stranger = send_frame(tap, frame_head(kTapsMac, {0x8100, 0, 0x0800}), Packet("198.51.100.9", "10.90.0.1"));
  EXPECT_EQ(stranger.seen, Seen{Where::socket});
}

// Frames to some groups the host takes in on the bridge's port, past the bridge's own interface.
TEST_F(Whereabouts, ABridgesPortIsNoWayAroundTheFence) {
  set("ipv4/conf/all/rp_filter", 0);
  const common::Fd tap = make_device("tap", IFF_TAP);
  set("ipv4/conf/tap/rp_filter", 0);
  ip("link add bridge type bridge\nlink set tap master bridge\nlink set tap up\nlink set bridge up\n");
  const packets::Bytes head = frame_head({1, 0x80, 0xc2, 0, 0, 3}, {0x86dd});
  EXPECT_EQ(send_frame(tap, head, Packet("fd8f::2", "fd90::3")).seen, Seen{Where::socket}) << "without the fence";
  const auto nobody = [](std::uint32_t) { return false; };
  const datapath::Outside outside{.interfaces = {::if_nametoindex("bridge")}, .ports = {::if_nametoindex("tap")}};
  ASSERT_TRUE(datapath_->fence_off(outside, nobody).failures.empty());
  const Fate fate = send_frame(tap, head, Packet("fd8f::2", "fd90::3"));
  EXPECT_EQ(fate.in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  EXPECT_EQ(fate.seen, Seen{});
  EXPECT_EQ(send_frame(tap, head, Packet("fd40::9", "fd90::3")).seen, Seen{Where::socket}) << "a stranger";
}

// What outside the tunnel says about packets that went into it does not count: not the path's MTU, not that a host is
// gone.
TEST_F(Whereabouts, NobodyOutsideSpeaksAboutTheTunnelsPackets) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto about = [&](const char* from, const char* to, const char* quoted_source, const char* quoted) {
    const bool v4 = std::strchr(from, ':') == nullptr;
    Packet inner(quoted_source, quoted);
    inner.udp(kPort, kPort).payload(16);
    const packets::Bytes error =
        v4 ? Packet(from, to).icmp_error(3, 4, inner).ip() : Packet(from, to).icmp_error(2, 0, inner).ip();
    return send_bytes(Where::wan, error).in.reason;
  };
  EXPECT_EQ(about("198.51.100.9", "198.51.100.1", "10.90.0.1", "10.90.0.3"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("fd40::9", "fd40::1", "fd90::3", "fd8f::2"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("fd40::9", "fd40::1", "fd40::1", "fd50::5"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("198.51.100.9", "198.51.100.1", "198.51.100.1", "203.0.113.9"), std::nullopt);
  EXPECT_EQ(about("10.50.0.5", "198.51.100.1", "198.51.100.1", "203.0.113.9"), std::nullopt)
      << "a router of the underlay";
  EXPECT_EQ(about("10.90.0.3", "198.51.100.1", "198.51.100.1", "203.0.113.9"), KRAIT_REASON_OUTSIDE_TUNNEL);
}

// The kernel finds an error behind any number of extension headers. A chain that is too long to follow hides it from
// nobody.
TEST_F(Whereabouts, ExtensionHeadersHideNothingFromTheFence) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto behind = [](std::size_t headers, Packet packet) {
    for (std::size_t i = 0; i < headers; ++i) {
      packet.extension(packets::kDestinationOptions);
    }
    return packet;
  };
  const Packet lost = Packet("fd90::3", "fd8f::2").udp(kPort, kPort).payload(16);
  const Packet stranger("fd40::9", "fd90::3");
  for (const std::size_t headers : {0U, 1U, 4U, 5U, 8U}) {
    const packets::Bytes error = behind(headers, Packet("fd40::9", "fd40::1")).icmp_error(2, 0, lost).ip();
    EXPECT_EQ(send_bytes(Where::wan, error).in.reason, KRAIT_REASON_ICMP_ERROR_UNRELATED) << headers;
    EXPECT_EQ(send(Where::wan, behind(headers, stranger)).in.reason, std::nullopt) << headers;
  }
  const packets::Bytes error = behind(9, Packet("fd40::9", "fd40::1")).icmp_error(2, 0, lost).ip();
  EXPECT_EQ(send_bytes(Where::wan, error).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  EXPECT_EQ(send(Where::wan, behind(9, stranger)).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  // Of a later fragment the header speaks of what the first one begins with.
  const Packet later =
      Packet("fd40::9", "fd90::3").fragment(7, 1232, false).protocol(packets::kDestinationOptions).payload(64);
  EXPECT_EQ(send_bytes(Where::wan, later.ip()).in.reason, std::nullopt);
}

// What of a peer's network is reached otherwise, by a route of its own, is not behind the peer.
TEST_F(Whereabouts, PartsOfAPeersNetworkMayBeElsewhere) {
  set("ipv4/conf/all/rp_filter", 0);
  ASSERT_NO_FATAL_FAILURE(fence());
  const Ends all[] = {{"10.50.7.5", "198.51.100.1"}, {"fd50:0:7::5", "fd40::1"}};
  ip("route add 10.50.7.0/24 dev lan\nroute add fd50:0:7::/48 dev lan\n");
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::lan, Packet(source, destination)).seen, Seen{Where::socket});
    EXPECT_EQ(send(Where::wan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
  ip("route del 10.50.7.0/24 dev lan\nroute del fd50:0:7::/48 dev lan\n");
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::lan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
}

// RFC 4861 4.2, 4.6.2: a router that is none puts fd50:0:7::/64 on the link, and says for how long.
packets::Bytes router_advertisement(std::uint32_t lifetime_s) {
  packets::Bytes body(48);  // without checksum; no router, no hints
  body[0] = std::byte{134};
  body[16] = std::byte{3};
  body[17] = std::byte{4};
  body[18] = std::byte{64};
  body[19] = std::byte{0x80};  // on link
  for (const std::size_t at : {20U, 24U}) {
    packets::store16(body, at, static_cast<std::uint16_t>(lifetime_s >> 16U));
    packets::store16(body, at + 2, static_cast<std::uint16_t>(lifetime_s & 0xffffU));
  }
  const common::Ip network = common::Prefix::parse("fd50:0:7::/64")->ip;
  std::ranges::transform(network.bytes, body.begin() + 32, [](std::uint8_t byte) { return std::byte{byte}; });
  packets::Bytes packet = Packet("fe80::9", "ff02::1").protocol(packets::kIcmpv6).payload(body).ip();
  packet[7] = std::byte{255};
  const std::uint32_t pseudo = packets::sum_of_words(std::span(packet).subspan(8, 32)) + packets::kIcmpv6 + 48;
  const std::uint32_t message = packets::sum_of_words(std::span(packet).subspan(40, 48));
  packets::store16(packet, 42, packets::internet_checksum(pseudo + message));
  return packet;
}

// What is masqueraded to the host's address behind the fence speaks as the host, so it comes from where its source is.
TEST_F(Whereabouts, NeighboursBorrowNoSourceOnTheirWayIntoTheTunnel) {
  set("ipv4/conf/all/rp_filter", 0);
  ip("route add 172.17.0.0/16 dev lan\n");
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto fence_says = [&](Where from, const char* source, const char* destination) {
    return send(from, Packet(source, destination)).in.reason;
  };
  for (const char* tunnels : {"10.90.0.3", "10.50.0.5"}) {
    for (const char* lans : {"172.17.0.5", "10.20.0.77"}) {
      EXPECT_EQ(fence_says(Where::wan, lans, tunnels), KRAIT_REASON_REVERSE_PATH) << lans;
      EXPECT_EQ(fence_says(Where::lan, lans, tunnels), std::nullopt) << lans;
    }
    EXPECT_EQ(fence_says(Where::wan, "198.51.100.9", tunnels), std::nullopt) << "its own";
    EXPECT_EQ(fence_says(Where::wan, "203.0.113.9", tunnels), KRAIT_REASON_REVERSE_PATH) << "of no route";
  }
  EXPECT_EQ(fence_says(Where::wan, "172.17.0.5", "198.51.100.1"), std::nullopt) << "to the host";
  EXPECT_EQ(fence_says(Where::wan, "172.17.0.5", "10.20.0.77"), std::nullopt) << "to the LAN";
}

// Behind the end of a first fragment a frame may go on: with what the kernel cuts off, before it takes the second
// fragment's headers.
TEST_F(Whereabouts, FragmentsHideNothingFromTheFence) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const Packet first = Packet("fd40::9", "fd40::1")
                           .fragment(7, 0, true)
                           .extension(packets::kDestinationOptions)
                           .protocol(packets::kDestinationOptions);
  EXPECT_EQ(send_bytes(Where::wan, first.ip()).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  packets::Bytes longer = first.ip();
  longer.resize(longer.size() + 64, std::byte{packets::kUdp});
  EXPECT_EQ(send_bytes(Where::wan, longer).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
}

// The kernel believes a quoted packet's routing header more than its destination, and passes unknown errors on.
TEST_F(Whereabouts, NoErrorFromOutsideHidesWhatItSpeaksOf) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto said_of = [&](std::uint8_t type, const Packet& quoted) {
    return send_bytes(Where::wan, Packet("fd40::9", "fd40::1").icmp_error(type, 0, quoted).ip()).in.reason;
  };
  const Packet stranger("fd40::1", "fd40::9");
  for (const std::uint8_t type : {packets::kHopByHop, packets::kRouting, packets::kDestinationOptions}) {
    EXPECT_EQ(said_of(1, Packet(stranger).extension(type).udp(kPort, kPort)), KRAIT_REASON_ICMP_ERROR_UNRELATED);
    EXPECT_EQ(said_of(1, Packet(stranger).fragment(7, 0, true).extension(type).udp(kPort, kPort)),
              KRAIT_REASON_ICMP_ERROR_UNRELATED);
  }
  EXPECT_EQ(said_of(1, Packet(stranger).fragment(7, 0, true).udp(kPort, kPort)), std::nullopt);
  for (const std::uint8_t type : std::array<std::uint8_t, 3>{1, 5, 127}) {
    EXPECT_EQ(said_of(type, Packet("fd40::1", "fd8f::2").udp(kPort, kPort)), KRAIT_REASON_ICMP_ERROR_UNRELATED);
    EXPECT_EQ(said_of(type, Packet(stranger).udp(kPort, kPort)), std::nullopt);
  }
}

// Anybody on a link can advertise, and for ever: that makes nothing of a peer's network this link's.
TEST_F(Whereabouts, AdvertisedNetworksAreNoWays) {
  set("ipv6/conf/wan/accept_ra", 2);
  ASSERT_NO_FATAL_FAILURE(fence());
  const Packet pretender("fd50:0:7::5", "fd40::1");
  for (const std::uint32_t lifetime_s : {3600U, ~0U}) {
    ASSERT_NO_FATAL_FAILURE(send_bytes(Where::wan, router_advertisement(lifetime_s)));
    ASSERT_TRUE(has_route([&](const auto& route) {
      return route.prefix == common::Prefix::parse("fd50:0:7::/64") && route.index == ::if_nametoindex("wan");
    })) << "the kernel took it";
    follow_routes();
    EXPECT_EQ(send(Where::wan, pretender).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL) << lifetime_s;
    send_bytes(Where::wan, router_advertisement(0));
  }
  ip("route add fd50:0:7::/64 dev wan\n");
  EXPECT_EQ(send(Where::wan, pretender).in.reason, std::nullopt) << "set by hand";
}

}  // namespace
}  // namespace krait::bpf_test
