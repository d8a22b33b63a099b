#include "tests/packets/packet.h"

#include <gtest/gtest.h>

namespace krait::packets {
namespace {

// Written out by hand from RFC 791 and RFC 9293.
TEST(Packet, Ipv4TcpIsByteForByteRight) {
  EXPECT_EQ(hex(Packet("10.0.0.1", "10.0.0.2").tcp(1000, 443, kSyn).payload(2).ip()),
            "4500002a0000000040"
            "0666cc"
            "0a0000010a000002"
            "03e801bb0000000000000000500200000000"
            "0000"
            "5a5a");
}

TEST(Packet, Ipv6ExtensionsAreChained) {
  EXPECT_EQ(hex(Packet("fd00::1", "fd00::2").extension(kHopByHop).fragment(7, 0, true).udp(53, 54).ip()),
            "60000000001800"
            "40"
            "fd000000000000000000000000000001"
            "fd000000000000000000000000000002"
            "2c00000000000000"
            "1100000100000007"
            "0035003600080000");
}

TEST(Packet, LaterFragmentHasNoTransportHeader) {
  const Bytes bytes = Packet("10.0.0.1", "10.0.0.2").udp(1, 2).fragment(9, 16, false).payload(8).ip();
  EXPECT_EQ(bytes.size(), 28U);
  EXPECT_EQ(bytes[7], std::byte{2});
}

TEST(Packet, LiesAndCuts) {
  const Bytes bytes = Packet("10.0.0.1", "10.0.0.2").udp(1, 2).total_length(500).udp_length(3).cut(27).frame();
  EXPECT_EQ(bytes.size(), 14U + 27U);
  EXPECT_EQ(hex(std::span(bytes).subspan(14 + 2, 2)), "01f4");
  EXPECT_EQ(hex(std::span(bytes).subspan(14 + 24, 2)), "0003");
}

TEST(Packet, IcmpErrorCarriesTheInnerPacket) {
  const Packet inner = Packet("10.0.0.2", "10.0.0.1").tcp(443, 1000, kAck);
  const Bytes bytes = Packet("10.0.0.9", "10.0.0.2").icmp_error(3, 4, inner, 28).ip();
  ASSERT_EQ(bytes.size(), 20U + 8U + 28U);
  EXPECT_EQ(hex(std::span(bytes).subspan(28 + 12, 8)), "0a0000020a000001");
}

}  // namespace
}  // namespace krait::packets
