// Brings a link in line with an image: MTU, addresses, up, routes. Knows nothing of WireGuard.
#pragma once

#include "common/result.h"
#include "krait/model/wireguard_image.h"
#include "krait/wireguard/link.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {

// Touches only what differs and counts it in `changes`. `link` is the link's present state. Fails with EADDRINUSE when
// bringing up a WireGuard link whose UDP port is taken.
common::Result<void> apply_link(Links& links, const LinkState& link, const model::WireguardImage& image,
                                Changes& changes);

}  // namespace krait::wireguard
