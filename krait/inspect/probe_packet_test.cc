#include "krait/inspect/probe_packet.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "krait/abi/selector.h"

namespace krait::inspect {
namespace {

using common::Ip;

class Probe {
 public:
  explicit Probe(std::uint32_t selector)
      : v6_(is_icmpv6(selector)),
        bytes_(v6_ ? probe_packet(selector, *Ip::parse("2001:db8::1"), *Ip::parse("2001:db8::2"))
                   : probe_packet(selector, *Ip::parse("192.0.2.1"), *Ip::parse("192.0.2.2"))) {}

  [[nodiscard]] unsigned u8(std::size_t at) const { return std::to_integer<unsigned>(bytes_.at(at)); }
  [[nodiscard]] unsigned u16(std::size_t at) const { return u8(at) << 8U | u8(at + 1); }
  [[nodiscard]] unsigned ethertype() const { return u16(12); }
  [[nodiscard]] unsigned protocol() const { return u8(kEthernetBytes + (v6_ ? 6 : 9)); }
  [[nodiscard]] std::size_t transport() const { return kEthernetBytes + (v6_ ? 40 : 20); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  bool v6_;
  std::vector<std::byte> bytes_;
};

TEST(ProbePacket, OpensTcp) {
  const Probe probe(KRAIT_SELECTOR_TCP + 5432);
  EXPECT_EQ(probe.ethertype(), 0x0800);
  EXPECT_EQ(probe.protocol(), 6);
  EXPECT_EQ(probe.u16(probe.transport() + 2), 5432);
  EXPECT_EQ(probe.u8(probe.transport() + 12) >> 4U, 5);
  EXPECT_EQ(probe.u8(probe.transport() + 13), 0x02);  // SYN alone
}

TEST(ProbePacket, CarriesThePortOfUdpAndSctp) {
  const Probe udp(KRAIT_SELECTOR_UDP + 65535);
  EXPECT_EQ(udp.protocol(), 17);
  EXPECT_EQ(udp.u16(udp.transport() + 2), 65535);
  EXPECT_EQ(udp.u16(udp.transport() + 4), udp.size() - udp.transport());
  const Probe sctp(KRAIT_SELECTOR_SCTP + 1);
  EXPECT_EQ(sctp.protocol(), 132);
  EXPECT_EQ(sctp.u16(sctp.transport() + 2), 1);
}

TEST(ProbePacket, CarriesTheTypeOfIcmp) {
  const Probe echo(KRAIT_SELECTOR_ICMP + 8);
  EXPECT_EQ(echo.protocol(), 1);
  EXPECT_EQ(echo.u8(echo.transport()), 8);
  const Probe v6(KRAIT_SELECTOR_ICMPV6 + 255);
  EXPECT_EQ(v6.ethertype(), 0x86dd);
  EXPECT_EQ(v6.protocol(), 58);
  EXPECT_EQ(v6.u8(v6.transport()), 255);
  EXPECT_EQ(v6.u16(kEthernetBytes + 4), v6.size() - v6.transport());
}

TEST(ProbePacket, QuotesAPacketOfTheReceiverInAnError) {
  const Probe error(KRAIT_SELECTOR_ICMP + 3);
  const std::size_t quoted = error.transport() + 8;
  EXPECT_EQ(error.u8(quoted), 0x45);
  EXPECT_EQ(error.u8(quoted + 15), 2);  // its source is the outer destination
  EXPECT_EQ(error.u8(quoted + 19), 1);
}

TEST(ProbePacket, CarriesAnyProtocol) {
  for (const unsigned protocol : {0U, 47U, 255U}) {
    EXPECT_EQ(Probe(KRAIT_SELECTOR_PROTO + protocol).protocol(), protocol);
  }
}

TEST(ProbePacket, SumsItsIpv4Header) {
  const Probe probe(KRAIT_SELECTOR_TCP + 1);
  unsigned sum = 0;
  for (std::size_t at = 0; at < 20; at += 2) {
    sum += probe.u16(kEthernetBytes + at);
  }
  EXPECT_EQ((sum & 0xffffU) + (sum >> 16U), 0xffff);
  EXPECT_EQ(probe.u16(kEthernetBytes + 2), probe.size() - kEthernetBytes);
}

}  // namespace
}  // namespace krait::inspect
