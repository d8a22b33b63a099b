#include "krait/inspect/probe_packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <initializer_list>

#include "krait/abi/selector.h"

namespace krait::inspect {

using common::Family;
using common::Ip;

namespace {

constexpr std::uint32_t kSourcePort = 49152;  // the first ephemeral port (RFC 6335)

// Appends fields in network order.
class Fields {
 public:
  Fields& u8(std::uint32_t value) {
    bytes_.push_back(static_cast<std::byte>(value & 0xffU));
    return *this;
  }
  Fields& u16(std::uint32_t value) { return u8(value >> 8U).u8(value); }
  Fields& u32(std::uint32_t value) { return u16(value >> 16U).u16(value); }
  Fields& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  Fields& ip(const Ip& ip) {
    std::for_each_n(ip.bytes.begin(), ip.bits() / 8, [this](std::uint8_t byte) { u8(byte); });
    return *this;
  }
  Fields& append(const std::vector<std::byte>& other) {
    bytes_.insert(bytes_.end(), other.begin(), other.end());
    return *this;
  }
  std::vector<std::byte>& take() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// RFC 1071.
std::uint32_t checksum(const std::vector<std::byte>& header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < header.size(); i += 2) {
    sum += (std::to_integer<std::uint32_t>(header[i]) << 8U) | std::to_integer<std::uint32_t>(header[i + 1]);
  }
  while (sum > 0xffffU) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return ~sum & 0xffffU;
}

std::vector<std::byte> ip_packet(const Ip& source, const Ip& destination, std::uint32_t protocol,
                                 const std::vector<std::byte>& payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  Fields packet;
  if (source.family == Family::v6) {
    packet.u32(0x60000000U).u16(size).u8(protocol).u8(64).ip(source).ip(destination);
  } else {
    packet.u16(0x4500U).u16(20 + size).u16(1).u16(0x4000U).u8(64).u8(protocol).u16(0).ip(source).ip(destination);
    const std::uint32_t sum = checksum(packet.take());
    packet.take()[10] = static_cast<std::byte>(sum >> 8U);
    packet.take()[11] = static_cast<std::byte>(sum & 0xffU);
  }
  return packet.append(payload).take();
}

std::vector<std::byte> udp(std::uint32_t source_port, std::uint32_t destination_port) {
  return Fields().u16(source_port).u16(destination_port).u16(8 + 4).u16(0).zeros(4).take();
}

std::vector<std::byte> tcp_syn(std::uint32_t port) {
  return Fields().u16(kSourcePort).u16(port).u32(1).u32(0).u16(0x5002U).u16(65535).u16(0).u16(0).take();
}

// RFC 9260: the common header and an INIT chunk.
std::vector<std::byte> sctp_init(std::uint32_t port) {
  Fields packet;
  packet.u16(kSourcePort).u16(port).u32(0).u32(0);
  return packet.u8(1).u8(0).u16(20).u32(1).u32(65536).u16(1).u16(1).u32(1).take();
}

bool is_icmp_error(bool v6, std::uint32_t type) { return v6 ? type < 128 : type == 3 || type == 11 || type == 12; }

std::vector<std::byte> icmp(std::uint32_t type, const Ip& source, const Ip& destination) {
  Fields packet;
  packet.u8(type).u8(0).u16(0);
  if (!is_icmp_error(source.family == Family::v6, type)) {
    return packet.u16(1).u16(1).zeros(24).take();  // identifier, sequence; long enough for every type's own fields
  }
  const auto spoken_of = ip_packet(destination, source, IPPROTO_UDP, udp(kSourcePort, 9));
  return packet.u32(0).append(spoken_of).take();
}

struct Transport {
  std::uint32_t protocol;
  std::vector<std::byte> bytes;
};

Transport transport_of(std::uint32_t selector, const Ip& source, const Ip& destination) {
  if (selector >= KRAIT_SELECTOR_PROTO) {
    return {selector - KRAIT_SELECTOR_PROTO, Fields().zeros(32).take()};
  }
  if (selector >= KRAIT_SELECTOR_ICMPV6) {
    return {IPPROTO_ICMPV6, icmp(selector - KRAIT_SELECTOR_ICMPV6, source, destination)};
  }
  if (selector >= KRAIT_SELECTOR_ICMP) {
    return {IPPROTO_ICMP, icmp(selector - KRAIT_SELECTOR_ICMP, source, destination)};
  }
  if (selector >= KRAIT_SELECTOR_SCTP) {
    return {IPPROTO_SCTP, sctp_init(selector - KRAIT_SELECTOR_SCTP)};
  }
  if (selector >= KRAIT_SELECTOR_UDP) {
    return {IPPROTO_UDP, udp(kSourcePort, selector - KRAIT_SELECTOR_UDP)};
  }
  return {IPPROTO_TCP, tcp_syn(selector)};
}

}  // namespace

bool is_icmpv6(std::uint32_t selector) { return selector >= KRAIT_SELECTOR_ICMPV6 && selector < KRAIT_SELECTOR_PROTO; }

std::vector<std::byte> probe_packet(std::uint32_t selector, const Ip& source, const Ip& destination) {
  const Transport transport = transport_of(selector, source, destination);
  const std::uint32_t ethertype = source.family == Family::v6 ? 0x86ddU : 0x0800U;
  return Fields()
      .zeros(kEthernetBytes - 2)
      .u16(ethertype)
      .append(ip_packet(source, destination, transport.protocol, transport.bytes))
      .take();
}

}  // namespace krait::inspect
