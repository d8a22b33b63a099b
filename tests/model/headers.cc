#include "tests/model/headers.h"

#include <algorithm>

#include "krait/abi/selector.h"
#include "tests/model/protocols.h"

namespace krait::naive {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kMaxExtensions = 8;

// IPv4 options (IANA).
constexpr std::uint8_t kLooseRoute = 131;
constexpr std::uint8_t kStrictRoute = 137;

// Bytes with readers that must stay inside.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::uint8_t at8(std::size_t i) const { return std::to_integer<std::uint8_t>(bytes_[i]); }
  [[nodiscard]] std::uint16_t at16(std::size_t i) const {
    return static_cast<std::uint16_t>(at8(i) << 8U | at8(i + 1));
  }
  [[nodiscard]] std::uint32_t at32(std::size_t i) const {
    return static_cast<std::uint32_t>(at16(i)) << 16U | at16(i + 2);
  }
  [[nodiscard]] common::Ip ip(std::size_t i, common::Family family) const {
    common::Ip ip;
    ip.family = family;
    for (std::size_t n = 0; n < (family == common::Family::v4 ? 4U : 16U); ++n) {
      ip.bytes[n] = at8(i + n);
    }
    return ip;
  }
  [[nodiscard]] Bytes from(std::size_t i) const { return Bytes(bytes_.subspan(std::min(i, size()))); }
  [[nodiscard]] Bytes first(std::size_t n) const { return Bytes(bytes_.first(std::min(n, size()))); }

 private:
  std::span<const std::byte> bytes_;
};

// A packet inside an ICMP error is cut short by nature, so its lengths say nothing.
enum class Place : std::uint8_t { outer, inner };

// Reads one packet.
class Reader {
 public:
  explicit Reader(Place place) : place_(place) {}

  Headers read(Bytes packet, common::Family family) {
    family == common::Family::v4 ? read_v4(packet) : read_v6(packet);
    return headers_;
  }

 private:
  [[nodiscard]] bool outer() const { return place_ == Place::outer; }
  void fail(krait_reason reason) { headers_.problem = reason; }

  void read_v4(Bytes packet) {
    if (packet.size() < 20) {
      return fail(KRAIT_REASON_TRUNCATED);
    }
    const std::size_t header_bytes = (packet.at8(0) & 0x0fU) * 4U;
    const std::size_t total_bytes = packet.at16(2);
    if (packet.at8(0) >> 4U != 4 || header_bytes < 20) {
      return fail(KRAIT_REASON_MALFORMED);
    }
    if (outer() && total_bytes < header_bytes) {
      return fail(KRAIT_REASON_MALFORMED);
    }
    if (header_bytes > packet.size() || (outer() && total_bytes > packet.size())) {
      return fail(KRAIT_REASON_TRUNCATED);
    }
    const std::uint16_t fragment = packet.at16(6);
    headers_.tuple.source = packet.ip(12, common::Family::v4);
    headers_.tuple.destination = packet.ip(16, common::Family::v4);
    headers_.fragment_id = packet.at16(4);
    const Bytes rest = (outer() ? packet.first(total_bytes) : packet).from(header_bytes);
    set_fragment(fragment & 0x1fffU, (fragment & 0x2000U) != 0, rest);
    if (headers_.problem == KRAIT_ALLOWED) {
      read_transport(rest, packet.at8(9));
    }
    if (headers_.problem == KRAIT_ALLOWED && outer()) {
      read_options(packet.first(header_bytes).from(20));
    }
  }

  // RFC 791 3.1: one byte of type for the end and for padding, else a length that counts both.
  void read_options(Bytes options) {
    for (std::size_t at = 0; at < options.size() && options.at8(at) != 0;) {
      if (options.at8(at) == 1) {
        ++at;
        continue;
      }
      if (at + 1 == options.size() || options.at8(at + 1) < 2 || at + options.at8(at + 1) > options.size()) {
        return fail(KRAIT_REASON_MALFORMED);
      }
      if (options.at8(at) == kLooseRoute || options.at8(at) == kStrictRoute) {
        return fail(KRAIT_REASON_SOURCE_ROUTE);
      }
      at += options.at8(at + 1);
    }
  }

  void read_v6(Bytes packet) {
    if (packet.size() < 40) {
      return fail(KRAIT_REASON_TRUNCATED);
    }
    if (packet.at8(0) >> 4U != 6) {
      return fail(KRAIT_REASON_MALFORMED);
    }
    const std::size_t payload_bytes = packet.at16(4);
    if (outer() && payload_bytes > packet.size() - 40) {
      return fail(KRAIT_REASON_TRUNCATED);
    }
    headers_.tuple.source = packet.ip(8, common::Family::v6);
    headers_.tuple.destination = packet.ip(24, common::Family::v6);
    read_extensions(outer() ? packet.first(40 + payload_bytes).from(40) : packet.from(40), packet.at8(6));
  }

  void read_extensions(Bytes rest, std::uint8_t next) {
    for (std::size_t count = 0;; ++count) {
      const bool extension = next == kHopByHop || next == kDestinationOptions || next == kRouting || next == kFragment;
      if (!extension || headers_.later_fragment) {
        return read_transport(rest, next);
      }
      if (count == kMaxExtensions) {
        return fail(KRAIT_REASON_EXTENSION_HEADERS);
      }
      // RFC 8200 4.1: hop-by-hop options come first; a fragment header stands once.
      if ((next == kHopByHop && count != 0) || (next == kFragment && fragment_header_seen_)) {
        return fail(KRAIT_REASON_MALFORMED);
      }
      if (rest.size() < 8) {
        return fail_short();
      }
      // Its type, segments left. Inside an error: the last segment may be anybody.
      if (next == kRouting && (!outer() || rest.at8(2) == 0 || rest.at8(3) != 0)) {
        return fail(KRAIT_REASON_ROUTING_HEADER);
      }
      const std::size_t bytes = next == kFragment ? 8 : (rest.at8(1) + 1U) * 8U;
      if (bytes > rest.size()) {
        return fail_short();
      }
      const Bytes head = rest.first(8);
      rest = rest.from(bytes);
      if (next == kFragment) {
        fragment_header_seen_ = true;
        headers_.fragment_id = head.at32(4);
        set_fragment(head.at16(2) >> 3U, (head.at16(2) & 1U) != 0, rest);
        if (headers_.problem != KRAIT_ALLOWED) {
          return;
        }
      }
      next = head.at8(0);
    }
  }

  // A first fragment has to hold all headers (RFC 7112); of any other packet the end is missing.
  void fail_short() { fail(headers_.first_fragment ? KRAIT_REASON_FRAGMENT_SHORT : KRAIT_REASON_TRUNCATED); }

  void set_fragment(std::uint32_t offset_units, bool more, Bytes rest) {
    headers_.fragment_offset_bytes = offset_units * 8;
    headers_.later_fragment = offset_units != 0;
    headers_.first_fragment = offset_units == 0 && more;
    if (!outer() || (offset_units == 0 && !more)) {
      return;
    }
    // No fragment is empty, ends behind the largest datagram, or leaves the next one off the 8-byte grid.
    if (rest.size() == 0 || headers_.fragment_offset_bytes + rest.size() > 65535 || (more && rest.size() % 8 != 0)) {
      fail(KRAIT_REASON_MALFORMED);
    }
  }

  void read_transport(Bytes rest, std::uint8_t protocol) {
    headers_.tuple.protocol = protocol;
    if (!outer() && rest.size() < 8) {  // RFC 792: an error quotes at least so much
      return fail(KRAIT_REASON_TRUNCATED);
    }
    if (headers_.later_fragment) {
      if (protocol == kTcp && headers_.fragment_offset_bytes == 8) {
        fail(KRAIT_REASON_FRAGMENT_OVERLAP);
      }
      return;
    }
    if (protocol == kTcp) {
      read_tcp(rest);
    } else if (protocol == kUdp) {
      read_udp(rest);
    } else if (protocol == kSctp) {
      read_ports(rest, 12);
    } else if (headers_.tuple.is_icmp()) {
      read_icmp(rest);
    }
  }

  bool read_ports(Bytes rest, std::size_t header_bytes) {
    if (outer() && rest.size() < header_bytes) {
      fail_short();
      return false;
    }
    headers_.tuple.source_port = rest.at16(0);
    headers_.tuple.destination_port = rest.at16(2);
    return true;
  }

  void read_tcp(Bytes rest) {
    if (!read_ports(rest, 20) || !outer()) {
      return;
    }
    const std::size_t header_bytes = (rest.at8(12) >> 4U) * 4U;
    if (header_bytes < 20) {
      return fail(KRAIT_REASON_MALFORMED);
    }
    if (header_bytes > rest.size()) {
      return fail(headers_.first_fragment ? KRAIT_REASON_FRAGMENT_SHORT : KRAIT_REASON_MALFORMED);
    }
    headers_.tcp_flags = rest.at8(13);
  }

  void read_udp(Bytes rest) {
    if (!read_ports(rest, 8) || !outer()) {
      return;
    }
    const std::size_t length = rest.at16(4);
    if (length < 8 || (!headers_.first_fragment && length > rest.size())) {
      fail(KRAIT_REASON_MALFORMED);
    }
  }

  void read_icmp(Bytes rest) {
    if (rest.size() < 8) {
      return fail_short();
    }
    headers_.tuple.icmp_type = rest.at8(0);
    headers_.tuple.identifier = rest.at16(4);
    if (outer() && headers_.tuple.is_icmp_error()) {
      const Headers inner = Reader(Place::inner).read(rest.from(8), headers_.tuple.source.family);
      if (inner.problem == KRAIT_ALLOWED && !inner.later_fragment) {
        headers_.spoken_of = inner.tuple;
      }
    }
  }

  Place place_;
  bool fragment_header_seen_ = false;
  Headers headers_;
};

}  // namespace

bool Tuple::is_icmp() const { return protocol == (source.family == common::Family::v4 ? kIcmp : kIcmpv6); }

bool Tuple::is_icmp_error() const {
  const bool v4 = source.family == common::Family::v4;
  return is_icmp() && (v4 ? icmp_type == 3 || icmp_type == 11 || icmp_type == 12 : icmp_type < 128);
}

std::uint32_t Tuple::selector() const {
  if (is_icmp()) {
    return (source.family == common::Family::v4 ? KRAIT_SELECTOR_ICMP : KRAIT_SELECTOR_ICMPV6) + icmp_type;
  }
  switch (protocol) {
    case kTcp:
      return KRAIT_SELECTOR_TCP + destination_port;
    case kUdp:
      return KRAIT_SELECTOR_UDP + destination_port;
    case kSctp:
      return KRAIT_SELECTOR_SCTP + destination_port;
    default:
      return KRAIT_SELECTOR_PROTO + protocol;
  }
}

Headers read_frame(std::span<const std::byte> frame) {
  Headers headers;
  headers.problem = KRAIT_REASON_TRUNCATED;
  if (frame.size() <= kEthernetBytes) {
    return headers;
  }
  const Bytes bytes(frame);
  switch (bytes.at16(12)) {
    case 0x0800:
      return Reader(Place::outer).read(bytes.from(kEthernetBytes), common::Family::v4);
    case 0x86dd:
      return Reader(Place::outer).read(bytes.from(kEthernetBytes), common::Family::v6);
    default:
      headers.problem = KRAIT_REASON_NOT_IP;
      return headers;
  }
}

}  // namespace krait::naive
