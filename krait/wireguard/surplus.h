// What an interface that somebody else manages lets its peers send from, beyond what the configuration gives them.
// Pure.
#pragma once

#include <vector>

#include "krait/model/wireguard_image.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

// WireGuard takes from a peer whatever comes from an address for which the peer's is the longest allowed prefix, and
// krait judges it by the identity that the image gives the address. A prefix is too much where the two are not the same
// peer's: it holds an address that the image gives to another, or to nobody. A peer that has announced its next key may
// use either. Ascending by key.
std::vector<Surplus> surplus_of(const DeviceState& device, const model::WireguardImage& image);

}  // namespace krait::wireguard
