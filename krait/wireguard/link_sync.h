// Brings a link in line with an image: addresses, up, routes. Knows nothing of WireGuard.
#pragma once

#include "common/netlink/links.h"
#include "common/netlink/network.h"
#include "common/result.h"
#include "krait/model/wireguard_image.h"
#include "krait/wireguard/state.h"

namespace krait::wireguard {

// A link in its present state, and whom to ask and tell about it.
struct Interface {
  netlink::Links& links;
  netlink::Network& network;
  const netlink::Link& link;
};

// Touches only what differs and counts it in `changes`, where it also notes what the kernel refuses: the rest is done
// without it. Routes wait for the link to be up, and for the address that they name as their source.
common::Result<void> apply_link(const Interface& at, const model::WireguardImage& image, Changes& changes);

// What is said of a UDP port that somebody else has: setting it while the link is up takes it, and bringing the link
// up.
Refusal port_taken(const model::WireguardImage& image);

// Whether apply_link() would have nothing to do.
common::Result<bool> is_applied(const Interface& at, const model::WireguardImage& image);

}  // namespace krait::wireguard
