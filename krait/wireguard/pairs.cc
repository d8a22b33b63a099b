#include "krait/wireguard/pairs.h"

#include <fmt/format.h>

#include <utility>

#include "krait/crypto/pair.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::WireguardImage;
using model::WireguardPeer;

Result<Pairs> Pairs::load(const model::PairKeys& of) {
  auto secret = crypto::Secret::load(of.file, "krait join");
  if (!secret && secret.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("the network has preshared keys between pairs of hosts, and there is no {} to compute "
                             "them by; a start of the service makes it: sudo systemctl restart krait-agent",
                             of.file));
  }
  if (!secret) {
    return std::move(secret.error());
  }
  if (!crypto::is_pair_secret(*secret, {of.host_key})) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("{} is not of the key that the network knows this host by; sudo krait join TOKEN", of.file));
  }
  return Pairs(std::move(*secret), of);
}

std::optional<crypto::Secret> Pairs::key_with(const std::array<std::uint8_t, 32>& host_key) const {
  return crypto::pair_key(secret_, {.own = {of_.host_key}, .other = {host_key}, .network = of_.network});
}

namespace {

// What is known of the pair already; all zero: nothing.
crypto::Hash known_id(const WireguardPeer& peer, const model::PairKeys& of, const WireguardImage* former) {
  if (former == nullptr || former->pair_keys != of) {
    return {};
  }
  const WireguardPeer* before = find_peer(former->peers, peer.public_key);
  return before != nullptr && before->host_key == peer.host_key ? before->pair_id : crypto::Hash{};
}

}  // namespace

Result<void> complete_pairs(WireguardImage& image, const WireguardImage* former) {
  if (!image.pair_keys) {
    return {};
  }
  KRAIT_TRY(const auto pairs, Pairs::load(*image.pair_keys));
  for (WireguardPeer& peer : image.peers) {
    peer.pair_id = known_id(peer, *image.pair_keys, former);
    if (peer.pair_id != crypto::Hash{}) {
      continue;
    }
    if (const auto key = pairs.key_with(peer.host_key)) {
      peer.pair_id = preshared_id(key->bytes());
    } else {
      image.unpaired.push_back(peer.public_key);
    }
  }
  std::erase_if(image.peers, [](const WireguardPeer& peer) { return peer.pair_id == crypto::Hash{}; });
  return {};
}

}  // namespace krait::wireguard
