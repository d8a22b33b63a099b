#include "krait/inspect/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "krait/abi/selector.h"
#include "krait/inspect/probe_packet.h"

namespace krait::inspect {
namespace {

using common::Ip;
using Packet = std::vector<std::byte>;

constexpr std::size_t kMost = 1500;

Packet ip_packet(std::uint32_t selector, const char* source = "192.0.2.1", const char* destination = "192.0.2.2") {
  Packet frame = probe_packet(selector, *Ip::parse(source), *Ip::parse(destination));
  frame.erase(frame.begin(), frame.begin() + kEthernetBytes);
  return frame;
}
std::size_t u16(const Packet& packet, std::size_t at) {
  return std::to_integer<std::size_t>(packet[at]) << 8U | std::to_integer<std::size_t>(packet[at + 1]);
}
void set_u16(Packet& packet, std::size_t at, std::size_t value) {
  packet[at] = static_cast<std::byte>(value >> 8U);
  packet[at + 1] = static_cast<std::byte>(value);
}
// The packet with so much payload that it is `bytes` long, of bytes that are not zero.
Packet padded(Packet packet, std::size_t bytes) {
  packet.resize(bytes, std::byte{0x55});
  set_u16(packet, 2, bytes);
  return packet;
}
// What frame_of makes of the first `captured` bytes, without the Ethernet header.
Packet seen(const Packet& packet, std::size_t captured, LinkType link_type = LinkType::raw) {
  const auto bytes = std::span<const std::byte>(packet).first(captured);
  Packet frame = frame_of(link_type, {.bytes = bytes, .original_bytes = packet.size()}, kMost);
  frame.erase(frame.begin(), frame.begin() + kEthernetBytes);
  return frame;
}

TEST(FrameOf, LeavesWholePacketsAlone) {
  Packet packet = ip_packet(KRAIT_SELECTOR_TCP + 80);
  EXPECT_EQ(seen(packet, packet.size()), packet);
  set_u16(packet, 2, 9999);  // a wrong length on the wire stays wrong
  EXPECT_EQ(seen(packet, packet.size()), packet);
  EXPECT_EQ(seen({}, 0), Packet{});
}

TEST(FrameOf, FillsUpWhatTheCaptureCutBehindTheHeaders) {
  const Packet packet = padded(ip_packet(KRAIT_SELECTOR_TCP + 80), 1000);
  const Packet result = seen(packet, 60);
  ASSERT_EQ(result.size(), 1000);
  EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + 60, result.begin()));
  EXPECT_TRUE(std::all_of(result.begin() + 60, result.end(), [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST(FrameOf, KeepsCutHeadersCut) {
  const Packet packet = padded(ip_packet(KRAIT_SELECTOR_TCP + 80), 1000);
  for (std::size_t captured = 0; captured < 40; ++captured) {
    EXPECT_EQ(seen(packet, captured).size(), captured);
  }
  EXPECT_EQ(seen(packet, 40).size(), 1000);
}

TEST(FrameOf, KeepsACutQuoteCut) {
  const Packet error = padded(ip_packet(KRAIT_SELECTOR_ICMP + 3), 400);
  EXPECT_EQ(seen(error, 20 + 8 + 27).size(), 20 + 8 + 27);
  EXPECT_EQ(seen(error, 20 + 8 + 28).size(), 400);
}

TEST(FrameOf, ShortensLongPackets) {
  const Packet packet = padded(ip_packet(KRAIT_SELECTOR_TCP + 80), 40'000);
  for (const std::size_t captured : {std::size_t{60}, packet.size()}) {
    const Packet result = seen(packet, captured);
    ASSERT_EQ(result.size(), kMost - kEthernetBytes);
    EXPECT_EQ(u16(result, 2), result.size());
  }
}

TEST(FrameOf, KeepsWrongLengthsOfLongPacketsWrong) {
  Packet packet = padded(ip_packet(KRAIT_SELECTOR_TCP + 80), 40'000);
  set_u16(packet, 2, 40'001);
  EXPECT_EQ(u16(seen(packet, packet.size()), 2), 40'001);
  set_u16(packet, 2, 10);
  EXPECT_EQ(u16(seen(packet, packet.size()), 2), 10);
}

TEST(FrameOf, ShortensUdpToo) {
  Packet packet = padded(ip_packet(KRAIT_SELECTOR_UDP + 53), 20'000);
  set_u16(packet, 24, 20'000 - 20);
  const Packet result = seen(packet, packet.size());
  EXPECT_EQ(u16(result, 24), result.size() - 20);
  set_u16(packet, 24, 20'000);  // more than the packet
  EXPECT_EQ(u16(seen(packet, packet.size()), 24), 20'000);
}

TEST(FrameOf, KeepsFragmentsAtMultiplesOfEight) {
  Packet packet = padded(ip_packet(KRAIT_SELECTOR_UDP + 53), 20 + 9000);
  set_u16(packet, 6, 0x2000U);  // more fragments
  const Packet result = seen(packet, packet.size());
  EXPECT_EQ((result.size() - 20) % 8, 0);
  EXPECT_EQ(u16(result, 2), result.size());
  EXPECT_GT(result.size(), kMost - kEthernetBytes - 8);
}

TEST(FrameOf, ShortensIpv6BehindItsExtensionHeaders) {
  Packet packet = ip_packet(KRAIT_SELECTOR_ICMPV6 + 128, "2001:db8::1", "2001:db8::2");
  const Packet options{std::byte{58}, std::byte{0}, std::byte{1}, std::byte{4},
                       std::byte{0},  std::byte{0}, std::byte{0}, std::byte{0}};
  packet[6] = std::byte{0};  // hop-by-hop
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet.resize(9000);
  set_u16(packet, 4, 9000 - 40);
  EXPECT_EQ(seen(packet, 55).size(), 55);  // inside the ICMPv6 header
  const Packet result = seen(packet, 56);
  ASSERT_EQ(result.size(), kMost - kEthernetBytes);
  EXPECT_EQ(u16(result, 4), result.size() - 40);
}

TEST(FrameOf, NamesTheProtocol) {
  const auto ethertype = [](LinkType type, std::uint8_t first) {
    const Packet packet{static_cast<std::byte>(first)};
    return u16(frame_of(type, {.bytes = packet, .original_bytes = 1}, kMost), 12);
  };
  EXPECT_EQ(ethertype(LinkType::raw, 0x45), 0x0800);
  EXPECT_EQ(ethertype(LinkType::raw, 0x60), 0x86dd);
  EXPECT_EQ(ethertype(LinkType::raw, 0x10), 0x88b5);
  EXPECT_EQ(ethertype(LinkType::ipv4, 0x60), 0x0800);
  EXPECT_EQ(ethertype(LinkType::ipv6, 0x45), 0x86dd);
}

TEST(FrameOf, KeepsEthernetFrames) {
  const Packet frame = probe_packet(KRAIT_SELECTOR_TCP + 80, *Ip::parse("192.0.2.1"), *Ip::parse("192.0.2.2"));
  EXPECT_EQ(frame_of(LinkType::ethernet, {.bytes = frame, .original_bytes = frame.size()}, kMost), frame);
  const auto cut = std::span<const std::byte>(frame).first(9);
  EXPECT_EQ(frame_of(LinkType::ethernet, {.bytes = cut, .original_bytes = 9}, kMost).size(), kEthernetBytes);
}

TEST(FrameOf, SurvivesAnything) {
  std::uint32_t random = 1;
  for (int round = 0; round < 20'000; ++round) {
    Packet packet(1 + random % 120);
    for (std::byte& byte : packet) {
      random = random * 1664525U + 1013904223U;
      byte = static_cast<std::byte>(random >> 24U);
    }
    packet[0] = static_cast<std::byte>(random % 2 == 0 ? 0x45 : 0x60);
    const std::size_t original = packet.size() + (random >> 8U) % 70'000;
    for (const LinkType type : {LinkType::raw, LinkType::ethernet}) {
      const Packet frame = frame_of(type, {.bytes = packet, .original_bytes = original}, kMost);
      EXPECT_GE(frame.size(), kEthernetBytes);
      EXPECT_LE(frame.size(), kMost);
    }
  }
}

TEST(SourceOf, ReadsBothFamilies) {
  const auto frame = probe_packet(KRAIT_SELECTOR_TCP + 80, *Ip::parse("192.0.2.1"), *Ip::parse("192.0.2.2"));
  EXPECT_EQ(source_of(frame), Ip::parse("192.0.2.1"));
  const auto v6 = probe_packet(KRAIT_SELECTOR_ICMPV6 + 128, *Ip::parse("fd90::1"), *Ip::parse("fd90::2"));
  EXPECT_EQ(source_of(v6), Ip::parse("fd90::1"));
  EXPECT_EQ(source_of(std::span(v6).first(14 + 23)), std::nullopt);
  EXPECT_EQ(source_of(std::span(v6).first(3)), std::nullopt);
}

}  // namespace
}  // namespace krait::inspect
