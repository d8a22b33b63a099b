#include "tests/packets/packet.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace krait::packets {
namespace {

constexpr std::uint16_t kEtherTypeV4 = 0x0800;
constexpr std::uint16_t kEtherTypeV6 = 0x86dd;

// A test that asks for an impossible packet is wrong itself.
void require(bool holds, const char* what) {
  if (!holds) {
    fmt::print(stderr, "packet: {}\n", what);
    std::abort();
  }
}

common::Ip parsed(std::string_view text) {
  const auto ip = common::Ip::parse(text);
  require(ip.has_value(), "not an address");
  return *ip;
}

void put8(Bytes& bytes, std::uint32_t value) { bytes.push_back(static_cast<std::byte>(value & 0xffU)); }

void put16(Bytes& bytes, std::uint32_t value) {
  put8(bytes, value >> 8U);
  put8(bytes, value);
}

void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16U);
  put16(bytes, value);
}

void put_zeros(Bytes& bytes, std::size_t count) { bytes.resize(bytes.size() + count); }

void put_ip(Bytes& bytes, const common::Ip& ip) {
  for (std::size_t i = 0; i < ip.bits() / 8U; ++i) {
    put8(bytes, ip.bytes[i]);
  }
}

void append(Bytes& bytes, const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

}  // namespace

std::uint32_t sum_of_words(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8U : 0U);
  }
  return sum;
}

std::uint16_t internet_checksum(std::uint32_t sum) {
  while (sum >> 16U != 0) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

void store16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8U);
  bytes[at + 1] = static_cast<std::byte>(value & 0xffU);
}

Packet::Packet(const common::Ip& source, const common::Ip& destination) : source_(source), destination_(destination) {
  require(source.family == destination.family, "two families");
}

Packet::Packet(std::string_view source, std::string_view destination) : Packet(parsed(source), parsed(destination)) {}

Packet& Packet::options(Bytes bytes) {
  bytes.resize((bytes.size() + 3) / 4 * 4);
  require(bytes.size() <= 40, "too many options");
  options_ = std::move(bytes);
  return *this;
}

Packet& Packet::extension(std::uint8_t type, std::size_t units, std::uint8_t first, std::uint8_t second) {
  Extension extension{type, Bytes(units * 8)};
  // RFC 8200 4: in 8-byte units behind the first; RFC 4302 2.2: in 4-byte words less two.
  const std::size_t length = type == kAuthentication ? units * 2 - 2 : units - 1;
  extension.bytes[1] = static_cast<std::byte>(length);
  extension.bytes[2] = std::byte{first};
  extension.bytes[3] = std::byte{second};
  extensions_.push_back(std::move(extension));
  return *this;
}

Packet& Packet::fragment(std::uint32_t id, std::uint16_t offset, bool more) {
  require(offset % 8 == 0, "no multiple of 8");
  fragment_id_ = id;
  fragment_offset_ = offset;
  more_fragments_ = more;
  if (!v4()) {
    Extension extension{kFragment, {}};
    put16(extension.bytes, 0);
    put16(extension.bytes, offset | (more ? 1U : 0U));
    put32(extension.bytes, id);
    extensions_.push_back(std::move(extension));
  }
  return *this;
}

Packet& Packet::tcp(std::uint16_t source_port, std::uint16_t destination_port, std::uint8_t flags) {
  transport_ = Transport::tcp;
  protocol_ = kTcp;
  source_port_ = source_port;
  destination_port_ = destination_port;
  flags_ = flags;
  return *this;
}

Packet& Packet::udp(std::uint16_t source_port, std::uint16_t destination_port) {
  transport_ = Transport::udp;
  protocol_ = kUdp;
  source_port_ = source_port;
  destination_port_ = destination_port;
  return *this;
}

Packet& Packet::sctp(std::uint16_t source_port, std::uint16_t destination_port) {
  transport_ = Transport::sctp;
  protocol_ = kSctp;
  source_port_ = source_port;
  destination_port_ = destination_port;
  return *this;
}

Packet& Packet::icmp(std::uint8_t type, std::uint8_t code, std::uint16_t identifier) {
  transport_ = Transport::icmp;
  protocol_ = v4() ? kIcmp : kIcmpv6;
  icmp_type_ = type;
  icmp_code_ = code;
  identifier_ = identifier;
  return *this;
}

Packet& Packet::icmp_error(std::uint8_t type, std::uint8_t code, const Packet& inner, std::size_t inner_bytes) {
  icmp(type, code);
  payload_ = inner.ip();
  if (payload_.size() > inner_bytes) {
    payload_.resize(inner_bytes);
  }
  return *this;
}

Packet& Packet::protocol(std::uint8_t number) {
  transport_ = Transport::none;
  protocol_ = number;
  return *this;
}

Packet& Packet::payload(std::size_t bytes) { return payload(Bytes(bytes, std::byte{0x5a})); }

Packet& Packet::payload(Bytes bytes) {
  payload_ = std::move(bytes);
  return *this;
}

Packet& Packet::ether_type(std::uint16_t value) { return ether_type_ = value, *this; }
Packet& Packet::version(std::uint8_t value) { return version_ = value, *this; }
Packet& Packet::header_words(std::uint8_t value) { return header_words_ = value, *this; }
Packet& Packet::total_length(std::uint16_t value) { return total_length_ = value, *this; }
Packet& Packet::tcp_header_words(std::uint8_t value) { return tcp_header_words_ = value, *this; }
Packet& Packet::udp_length(std::uint16_t value) { return udp_length_ = value, *this; }
Packet& Packet::cut(std::size_t ip_bytes) { return cut_ = ip_bytes, *this; }
Packet& Packet::padding(std::size_t bytes) { return padding_ = bytes, *this; }

Bytes Packet::transport() const {
  Bytes bytes;
  if (fragment_offset_ == 0) {
    switch (transport_) {
      case Transport::none:
        break;
      case Transport::tcp:
        put16(bytes, source_port_);
        put16(bytes, destination_port_);
        put_zeros(bytes, 8);
        put8(bytes, static_cast<std::uint32_t>(tcp_header_words_.value_or(5)) << 4U);
        put8(bytes, flags_);
        put_zeros(bytes, 6);
        break;
      case Transport::udp:
        put16(bytes, source_port_);
        put16(bytes, destination_port_);
        put16(bytes, udp_length_.value_or(static_cast<std::uint16_t>(8 + payload_.size())));
        put16(bytes, 0);
        break;
      case Transport::sctp:
        put16(bytes, source_port_);
        put16(bytes, destination_port_);
        put_zeros(bytes, 8);
        break;
      case Transport::icmp:
        put8(bytes, icmp_type_);
        put8(bytes, icmp_code_);
        put16(bytes, 0);
        put16(bytes, identifier_);
        put16(bytes, 0);
        break;
    }
  }
  append(bytes, payload_);
  return bytes;
}

Bytes Packet::ipv4_header(std::size_t rest_bytes) const {
  const std::size_t header_bytes = 20 + options_.size();
  Bytes bytes;
  put8(bytes, static_cast<std::uint32_t>(version_.value_or(4)) << 4U |
                  header_words_.value_or(static_cast<std::uint8_t>(header_bytes / 4)));
  put8(bytes, 0);
  put16(bytes, total_length_.value_or(static_cast<std::uint16_t>(header_bytes + rest_bytes)));
  put16(bytes, fragment_id_);
  put16(bytes, fragment_offset_ / 8U | (more_fragments_ ? 0x2000U : 0U));
  put8(bytes, 64);
  put8(bytes, protocol_);
  put16(bytes, 0);
  put_ip(bytes, source_);
  put_ip(bytes, destination_);
  append(bytes, options_);
  store16(bytes, 10, internet_checksum(sum_of_words(bytes)));
  return bytes;
}

Bytes Packet::ipv6_headers(std::size_t rest_bytes) const {
  std::size_t extension_bytes = 0;
  for (const Extension& extension : extensions_) {
    extension_bytes += extension.bytes.size();
  }
  Bytes bytes;
  put8(bytes, static_cast<std::uint32_t>(version_.value_or(6)) << 4U);
  put_zeros(bytes, 3);
  put16(bytes, total_length_.value_or(static_cast<std::uint16_t>(extension_bytes + rest_bytes)));
  put8(bytes, extensions_.empty() ? protocol_ : extensions_.front().type);
  put8(bytes, 64);
  put_ip(bytes, source_);
  put_ip(bytes, destination_);
  for (std::size_t i = 0; i < extensions_.size(); ++i) {
    Bytes extension = extensions_[i].bytes;
    extension[0] = std::byte{i + 1 < extensions_.size() ? extensions_[i + 1].type : protocol_};
    append(bytes, extension);
  }
  return bytes;
}

Bytes Packet::ip() const {
  const Bytes rest = transport();
  Bytes bytes = v4() ? ipv4_header(rest.size()) : ipv6_headers(rest.size());
  append(bytes, rest);
  if (cut_ && *cut_ < bytes.size()) {
    bytes.resize(*cut_);
  }
  put_zeros(bytes, padding_);
  return bytes;
}

Bytes Packet::frame() const {
  Bytes bytes;
  bytes.reserve(kEthernetBytes);
  put_zeros(bytes, kEthernetBytes - 2);
  put16(bytes, ether_type_.value_or(v4() ? kEtherTypeV4 : kEtherTypeV6));
  append(bytes, ip());
  return bytes;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

}  // namespace krait::packets
