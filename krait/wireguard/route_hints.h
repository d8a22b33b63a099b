// The kernel's short cut past its own check of sources. Since Linux 5.5 packets that a network card hands over together
// are routed by the answer that the one before them got (ip_route_use_hint, net/ipv4/route.c), and then nobody looks
// whether a packet from outside has one of this host's own addresses as its source. The short cut is not taken in a
// network namespace that has, or once had, routing rules of its own (fib4_has_custom_rules).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/netlink/network.h"
#include "common/result.h"

namespace krait::wireguard {

// Has the kernel check every IPv4 packet's source, in the caller's network namespace: adds a routing rule that changes
// nothing, and takes it away again. Nothing is done where there are rules already. Fails with unsupported on a kernel
// without routing rules. Needs CAP_NET_ADMIN.
common::Result<void> check_every_source();

// A priority that no IPv4 rule has, right before the main table's; none: there are rules beside the kernel's three, or
// no place.
std::optional<std::uint32_t> free_priority(std::span<const netlink::Rule> rules);

}  // namespace krait::wireguard
