// The MTU of the interface: what fits into the packets of every way to a peer.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>

#include "common/ip.h"
#include "common/netlink/links.h"
#include "common/netlink/network.h"
#include "common/result.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

// 1500 bytes of Ethernet less the larger overhead; wg-quick's too. Where the kernel knows of no way.
inline constexpr std::uint32_t kUsualMtuBytes = 1420;
// IPv6 takes no link below this (RFC 8200 5).
inline constexpr std::uint32_t kMinMtuBytes = 1280;
inline constexpr std::uint32_t kMaxMtuBytes = 65535;

// What WireGuard's packets are sent to.
struct Destinations {
  std::set<common::Ip> endpoints;
  bool others = false;  // peers without an endpoint: they are somewhere behind the default route
};

// A way of the underlay.
struct Path {
  common::Family family = common::Family::v6;
  std::uint32_t mtu_bytes = 0;
};

// --- Pure

// After the updates have been done.
Destinations destinations_of(const DeviceState& device, std::span<const PeerUpdate> updates);

// The smallest that a path leaves: its MTU less IP, UDP and WireGuard's header and tag (60 bytes over IPv4, 80 over
// IPv6).
std::uint32_t fitting_mtu(std::span<const Path> paths);

// --- Effects

// Whom to ask.
struct Underlay {
  netlink::Network& network;
  netlink::Links& links;
};

// Asks the kernel for the way to each destination: its route's MTU, or its link's. Not a path MTU that it has learned:
// one forged ICMP message would narrow the interface for all peers. Where a path is narrower, the kernel cuts
// WireGuard's packets. A destination without a way, or with one through the link `own_index`, is left out.
common::Result<std::uint32_t> find_fitting_mtu(Underlay underlay, std::uint32_t own_index, const Destinations& to);

}  // namespace krait::wireguard
