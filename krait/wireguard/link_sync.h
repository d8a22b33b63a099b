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

// Touches only what differs and counts it in `changes`. Fails with EADDRINUSE when bringing up a WireGuard link whose
// UDP port is taken.
common::Result<void> apply_link(const Interface& at, const model::WireguardImage& image, Changes& changes);

// Whether apply_link() would have nothing to do.
common::Result<bool> is_applied(const Interface& at, const model::WireguardImage& image);

}  // namespace krait::wireguard
