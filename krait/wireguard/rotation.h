// Peers that have announced the key they will use next. Pure.
#pragma once

#include "krait/model/wireguard_image.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

// The image with each such peer as two: one with its present and one with its next key, and the allowed IPs with the
// one that it uses. That is the next one from the moment on when a session was made with it that is not older than the
// last one with the present key: only the peer itself can make one.
model::WireguardImage follow_announced(const model::WireguardImage& image, const DeviceState& device);

// Whether a peer has gone over to its next key and its allowed IPs have not.
bool has_gone_over(const model::WireguardImage& image, const DeviceState& device);

}  // namespace krait::wireguard
