// Makes the packet that stands for a selector: what `krait policy explain` shows to the BPF program. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/ip.h"

namespace krait::inspect {

inline constexpr std::size_t kEthernetBytes = 14;

// True when packets of the selector are IPv6 (ICMPv6).
bool is_icmpv6(std::uint32_t selector);

// An Ethernet frame: TCP SYN, UDP, SCTP INIT, ICMP of that type (an error carries a packet of which nobody knows), or
// any other protocol, over the family of the addresses, which must be that of the selector.
std::vector<std::byte> probe_packet(std::uint32_t selector, const common::Ip& source, const common::Ip& destination);

}  // namespace krait::inspect
