// Makes test packets byte by byte, good ones and broken ones. Lengths that fit are filled in; every one of them can be
// overridden. Transport checksums stay zero: the data path looks at none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"

namespace krait::packets {

using Bytes = std::vector<std::byte>;

inline constexpr std::size_t kEthernetBytes = 14;

// IANA protocol numbers that the tests name.
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kEsp = 50;
inline constexpr std::uint8_t kAuthentication = 51;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kDestinationOptions = 60;
inline constexpr std::uint8_t kSctp = 132;

// TCP flags (RFC 9293 3.1).
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kAck = 0x10;

// RFC 1071: the words of 16 bits, a last byte filled up with zero; and the checksum of their sum.
std::uint32_t sum_of_words(std::span<const std::byte> bytes);
std::uint16_t internet_checksum(std::uint32_t sum);
void store16(Bytes& bytes, std::size_t at, std::uint16_t value);  // big endian

// One packet in the making; a plain value. Without a transport call it carries protocol 253 (RFC 3692: experiments).
class Packet {
 public:
  Packet(const common::Ip& source, const common::Ip& destination);  // of one family
  Packet(std::string_view source, std::string_view destination);    // texts that must parse

  // IPv4 options, padded with end-of-list to whole words; at most 40 bytes.
  Packet& options(Bytes bytes);
  // An IPv6 extension header of `units` times 8 bytes (AH: its length counts in words, the bytes are the same). For a
  // routing header `first` is its type and `second` its segments left.
  Packet& extension(std::uint8_t type, std::size_t units = 1, std::uint8_t first = 0, std::uint8_t second = 0);
  // Makes it a fragment; for IPv6 the fragment header stands where it is called among the extensions. With an offset
  // other than 0 the transport header is left out: the payload follows at once. `offset` counts bytes, a multiple of 8.
  Packet& fragment(std::uint32_t id, std::uint16_t offset, bool more);

  Packet& tcp(std::uint16_t source_port, std::uint16_t destination_port, std::uint8_t flags);
  Packet& udp(std::uint16_t source_port, std::uint16_t destination_port);
  Packet& sctp(std::uint16_t source_port, std::uint16_t destination_port);
  // ICMP or ICMPv6, as the addresses are.
  Packet& icmp(std::uint8_t type, std::uint8_t code = 0, std::uint16_t identifier = 0);
  // An ICMP error that carries the first `inner_bytes` of `inner`.
  Packet& icmp_error(std::uint8_t type, std::uint8_t code, const Packet& inner, std::size_t inner_bytes = 128);
  Packet& protocol(std::uint8_t number);
  Packet& payload(std::size_t bytes);
  Packet& payload(Bytes bytes);

  // Lies. Each replaces the field's true value.
  Packet& ether_type(std::uint16_t value);
  Packet& version(std::uint8_t value);
  Packet& header_words(std::uint8_t value);      // IPv4's IHL
  Packet& total_length(std::uint16_t value);     // IPv4's; IPv6: payload length
  Packet& tcp_header_words(std::uint8_t value);  // the data offset
  Packet& udp_length(std::uint16_t value);
  Packet& cut(std::size_t ip_bytes);   // ends the packet early, no length follows
  Packet& padding(std::size_t bytes);  // behind the packet's end, as Ethernet pads short frames

  [[nodiscard]] Bytes frame() const;  // Ethernet and all
  [[nodiscard]] Bytes ip() const;     // from the IP header on

 private:
  enum class Transport : std::uint8_t { none, tcp, udp, sctp, icmp };
  struct Extension {
    std::uint8_t type = 0;
    Bytes bytes;  // whole header, its next-header byte still zero
  };

  [[nodiscard]] bool v4() const { return source_.family == common::Family::v4; }
  [[nodiscard]] Bytes transport() const;
  [[nodiscard]] Bytes ipv4_header(std::size_t rest_bytes) const;
  [[nodiscard]] Bytes ipv6_headers(std::size_t rest_bytes) const;

  common::Ip source_;
  common::Ip destination_;
  Bytes options_;
  std::vector<Extension> extensions_;
  std::uint32_t fragment_id_ = 0;
  std::uint16_t fragment_offset_ = 0;
  bool more_fragments_ = false;
  Transport transport_ = Transport::none;
  std::uint8_t protocol_ = 253;
  std::uint16_t source_port_ = 0;
  std::uint16_t destination_port_ = 0;
  std::uint8_t flags_ = 0;
  std::uint8_t icmp_type_ = 0;
  std::uint8_t icmp_code_ = 0;
  std::uint16_t identifier_ = 0;
  Bytes payload_;
  std::optional<std::uint16_t> ether_type_;
  std::optional<std::uint8_t> version_;
  std::optional<std::uint8_t> header_words_;
  std::optional<std::uint16_t> total_length_;
  std::optional<std::uint8_t> tcp_header_words_;
  std::optional<std::uint16_t> udp_length_;
  std::optional<std::size_t> cut_;
  std::size_t padding_ = 0;
};

// Hexadecimal, for messages.
std::string hex(std::span<const std::byte> bytes);

}  // namespace krait::packets
