#include "krait/wireguard/rotation.h"

#include <algorithm>
#include <utility>

namespace krait::wireguard {

using model::WireguardImage;
using model::WireguardPeer;

namespace {

const PeerState* find(const DeviceState& device, const model::PublicKey& key) {
  const auto found = std::ranges::lower_bound(device.peers, key, {}, &PeerState::public_key);
  return found != device.peers.end() && found->public_key == key ? &*found : nullptr;
}

bool uses_next(const WireguardPeer& peer, const DeviceState& device) {
  const PeerState* present = find(device, peer.public_key);
  const PeerState* next = find(device, *peer.next_public_key);
  return next != nullptr && next->last_handshake_s != 0 &&
         (present == nullptr || next->last_handshake_s >= present->last_handshake_s);
}

}  // namespace

WireguardImage follow_announced(const WireguardImage& image, const DeviceState& device) {
  WireguardImage followed = image;
  for (const WireguardPeer& peer : image.peers) {
    if (!peer.next_public_key) {
      continue;
    }
    WireguardPeer next = peer;
    next.public_key = *peer.next_public_key;
    const auto present = std::ranges::find(followed.peers, peer.public_key, &WireguardPeer::public_key);
    (uses_next(peer, device) ? *present : next).allowed_ips.clear();
    followed.peers.push_back(std::move(next));
  }
  for (WireguardPeer& peer : followed.peers) {
    peer.next_public_key.reset();
  }
  std::ranges::sort(followed.peers, {}, &WireguardPeer::public_key);
  return followed;
}

bool has_gone_over(const WireguardImage& image, const DeviceState& device) {
  return std::ranges::any_of(image.peers, [&](const WireguardPeer& peer) {
    if (!peer.next_public_key || !uses_next(peer, device)) {
      return false;
    }
    return find(device, *peer.next_public_key)->allowed_ips != peer.allowed_ips;
  });
}

}  // namespace krait::wireguard
