// Brings a link in line with an image: addresses, up, routes. Knows nothing of WireGuard.
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

// Whether apply_link() would have nothing to do.
common::Result<bool> is_applied(Links& links, const LinkState& link, const model::WireguardImage& image);

}  // namespace krait::wireguard
