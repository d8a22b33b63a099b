// What a raw frame says, read the slow and obvious way. Shares nothing with the BPF program's parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "krait/abi/maps.h"
#include "krait/abi/reasons.h"

namespace krait::naive {

// The conversation that a packet belongs to. Numbers in host order.
struct Tuple {
  common::Ip source;
  common::Ip destination;
  std::uint8_t protocol = 0;  // the transport's
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint16_t identifier = 0;  // of an ICMP query or its reply

  [[nodiscard]] bool is_icmp() const;  // ICMP in IPv4 or ICMPv6 in IPv6
  [[nodiscard]] bool is_icmp_error() const;
  [[nodiscard]] std::uint32_t selector() const;
};

struct Headers {
  krait_reason problem = KRAIT_ALLOWED;  // why the packet cannot be judged at all; the rest is then partly unset
  Tuple tuple;
  std::uint8_t tcp_flags = 0;
  bool first_fragment = false;
  bool later_fragment = false;
  std::uint32_t fragment_id = 0;
  std::uint32_t fragment_offset_bytes = 0;
  std::optional<Tuple> spoken_of;  // of an ICMP error: the packet that it is about, as far as it can be read
};

Headers read_frame(std::span<const std::byte> frame);

}  // namespace krait::naive
