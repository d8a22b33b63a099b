#include "krait/inspect/frame.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdint>

#include "krait/inspect/probe_packet.h"

namespace krait::inspect {

using common::Family;
using common::Ip;

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kIpv4Bytes = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kMaxExtensionHeaders = 16;  // twice what the program walks

std::uint32_t u8_at(Bytes bytes, std::size_t at) { return std::to_integer<std::uint32_t>(bytes[at]); }
std::uint32_t u16_at(Bytes bytes, std::size_t at) { return (u8_at(bytes, at) << 8U) | u8_at(bytes, at + 1); }
void put_u16(std::span<std::byte> bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::byte>((value >> 8U) & 0xffU);
  bytes[at + 1] = static_cast<std::byte>(value & 0xffU);
}

// Where an IP packet's parts lie.
struct Layout {
  bool v6 = false;
  std::size_t network_bytes = 0;  // the IP header, without extension headers
  std::size_t transport = 0;      // offset of the transport header
  std::size_t headers = 0;        // the end of all that the program looks at
  std::uint32_t protocol = 0;
  bool fragmented = false;
};

// The transport header's bytes that the program looks at; an ICMP error's are followed by the packet that it quotes.
std::size_t transport_bytes(std::uint32_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return 20;
    case IPPROTO_SCTP:
      return 12;
    case IPPROTO_UDP:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return 8;
    default:
      return 0;
  }
}

bool is_icmp_error(const Layout& layout, std::uint32_t type) {
  return layout.v6 ? layout.protocol == IPPROTO_ICMPV6 && type >= 1 && type <= 4
                   : layout.protocol == IPPROTO_ICMP && (type == 3 || type == 11 || type == 12);
}

std::optional<Layout> walk_ipv4(Bytes ip) {
  if (ip.size() < kIpv4Bytes || (u8_at(ip, 0) & 0xfU) < 5) {
    return std::nullopt;
  }
  Layout layout;
  layout.network_bytes = layout.transport = std::size_t{u8_at(ip, 0) & 0xfU} * 4;
  layout.protocol = u8_at(ip, 9);
  const std::uint32_t fragment = u16_at(ip, 6);
  layout.fragmented = (fragment & 0x3fffU) != 0;
  const bool later = (fragment & 0x1fffU) != 0;
  layout.headers = layout.transport + (later ? 0 : transport_bytes(layout.protocol));
  return layout;
}

std::optional<Layout> walk_ipv6(Bytes ip) {
  if (ip.size() < kIpv6Bytes) {
    return std::nullopt;
  }
  Layout layout{.v6 = true, .network_bytes = kIpv6Bytes, .transport = kIpv6Bytes};
  layout.protocol = u8_at(ip, 6);
  for (std::size_t i = 0; i < kMaxExtensionHeaders; ++i) {
    const std::uint32_t type = layout.protocol;
    if (type != IPPROTO_HOPOPTS && type != IPPROTO_ROUTING && type != IPPROTO_FRAGMENT && type != IPPROTO_DSTOPTS) {
      break;
    }
    if (ip.size() < layout.transport + 8) {
      return std::nullopt;
    }
    const Bytes header = ip.subspan(layout.transport);
    layout.protocol = u8_at(header, 0);
    layout.transport += type == IPPROTO_FRAGMENT ? 8 : (u8_at(header, 1) + 1) * 8;
    if (type == IPPROTO_FRAGMENT) {
      layout.fragmented = true;
      if ((u16_at(header, 2) & 0xfff8U) != 0) {
        layout.headers = layout.transport;
        return layout;
      }
    }
  }
  layout.headers = layout.transport + transport_bytes(layout.protocol);
  return layout;
}

std::optional<Layout> walk(Bytes ip) {
  if (ip.empty()) {
    return std::nullopt;
  }
  const std::uint32_t version = u8_at(ip, 0) >> 4U;
  auto layout = version == 4 ? walk_ipv4(ip) : version == 6 ? walk_ipv6(ip) : std::nullopt;
  if (!layout || layout->headers == layout->transport || ip.size() <= layout->transport ||
      !is_icmp_error(*layout, u8_at(ip, layout->transport))) {
    return layout;
  }
  // The quoted packet: its IP header and 8 bytes behind (RFC 792).
  const std::size_t quoted = layout->headers;
  const std::size_t quoted_ip = layout->v6           ? kIpv6Bytes
                                : ip.size() > quoted ? std::size_t{u8_at(ip, quoted) & 0xfU} * 4
                                                     : kIpv4Bytes;
  layout->headers = quoted + quoted_ip + 8;
  return layout;
}

// Makes the length fields fit a packet that lost payload; those that were wrong before stay wrong.
void shorten(std::vector<std::byte>& ip, const Layout& layout, std::size_t original_bytes) {
  const std::size_t fixed = layout.v6 ? kIpv6Bytes : 0;  // what the length field does not count
  const std::size_t field = layout.v6 ? 4 : 2;
  std::size_t declared = u16_at(ip, field) + fixed;
  if (declared == fixed && original_bytes > 65535) {
    declared = original_bytes;  // BIG TCP: the length does not fit the field
  }
  if (declared <= ip.size() || declared > original_bytes) {
    return;
  }
  // Every fragment but the last carries a multiple of 8 bytes.
  if (layout.fragmented) {
    ip.resize(layout.network_bytes + (ip.size() - layout.network_bytes) / 8 * 8);
  }
  put_u16(ip, field, ip.size() - fixed);
  const std::size_t length_at = layout.transport + 4;
  if (layout.protocol == IPPROTO_UDP && !layout.fragmented && layout.transport + u16_at(ip, length_at) <= declared) {
    put_u16(ip, length_at, std::min<std::size_t>(u16_at(ip, length_at), ip.size() - layout.transport));
  }
}

std::vector<std::byte> fit(Bytes ip, std::size_t original_bytes, std::size_t max_bytes) {
  std::vector<std::byte> result(ip.begin(), ip.begin() + static_cast<std::ptrdiff_t>(std::min(ip.size(), max_bytes)));
  const std::size_t wanted = std::min(original_bytes, max_bytes);
  const bool is_whole = ip.size() >= original_bytes && result.size() == ip.size();
  const auto layout = is_whole ? std::nullopt : walk(result);
  if (!layout || layout->headers > std::min(result.size(), wanted)) {
    return result;
  }
  result.resize(std::max(result.size(), wanted));
  if (original_bytes > result.size()) {
    shorten(result, *layout, original_bytes);
  }
  return result;
}

std::uint32_t ethertype_of(LinkType link_type, Bytes ip) {
  constexpr std::uint32_t kIpv4 = 0x0800;
  constexpr std::uint32_t kIpv6 = 0x86dd;
  constexpr std::uint32_t kLocalExperiment = 0x88b5;  // IEEE 802: never IP
  if (link_type != LinkType::raw) {
    return link_type == LinkType::ipv4 ? kIpv4 : kIpv6;
  }
  const std::uint32_t version = ip.empty() ? 0 : u8_at(ip, 0) >> 4U;
  return version == 4 ? kIpv4 : version == 6 ? kIpv6 : kLocalExperiment;
}

}  // namespace

std::vector<std::byte> frame_of(LinkType link_type, const Captured& packet, std::size_t max_bytes) {
  std::vector<std::byte> frame(kEthernetBytes);
  Bytes ip = packet.bytes;
  std::size_t original_bytes = std::max(packet.original_bytes, packet.bytes.size());
  if (link_type == LinkType::ethernet) {
    const std::size_t present = std::min(ip.size(), kEthernetBytes);
    std::copy_n(ip.begin(), present, frame.begin());
    ip = ip.subspan(present);
    original_bytes -= std::min(original_bytes, kEthernetBytes);
  } else {
    put_u16(frame, kEthernetBytes - 2, ethertype_of(link_type, ip));
  }
  const auto fitted = fit(ip, original_bytes, max_bytes - kEthernetBytes);
  frame.insert(frame.end(), fitted.begin(), fitted.end());
  return frame;
}

std::optional<Ip> source_of(std::span<const std::byte> frame) {
  if (frame.size() < kEthernetBytes) {
    return std::nullopt;
  }
  const std::uint32_t ethertype = u16_at(frame, kEthernetBytes - 2);
  const Bytes ip = frame.subspan(kEthernetBytes);
  Ip source;
  source.family = ethertype == 0x86ddU ? Family::v6 : Family::v4;
  const std::size_t at = source.family == Family::v6 ? 8 : 12;
  const std::size_t bytes = source.bits() / 8;
  if ((ethertype != 0x0800U && ethertype != 0x86ddU) || ip.size() < at + bytes) {
    return std::nullopt;
  }
  std::transform(ip.begin() + static_cast<std::ptrdiff_t>(at), ip.begin() + static_cast<std::ptrdiff_t>(at + bytes),
                 source.bytes.begin(), [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
  return source;
}

}  // namespace krait::inspect
