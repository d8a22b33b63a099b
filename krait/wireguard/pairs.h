// Preshared keys that both hosts of a pair compute (krait/crypto/pair.h), for hosts that have joined a network whose
// administrators have said so. They are in memory on their way into the kernel and kept nowhere.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "common/result.h"
#include "krait/crypto/secret.h"
#include "krait/model/wireguard_image.h"

namespace krait::wireguard {

class Pairs {
 public:
  // Reads the file. Fails when it is not there, or not of the host key that the network knows this host by.
  static common::Result<Pairs> load(const model::PairKeys& of);
  // Nothing where the other's host key is none.
  [[nodiscard]] std::optional<crypto::Secret> key_with(const std::array<std::uint8_t, 32>& host_key) const;

 private:
  Pairs(crypto::Secret secret, const model::PairKeys& of) : secret_(std::move(secret)), of_(of) {}

  crypto::Secret secret_;
  model::PairKeys of_;
};

// Says of each peer by what its key is known (WireguardPeer::pair_id); `former` is an image for which that was done, or
// null: what it has is not computed again (some 0.1 ms). A peer whose host key is none is taken out, since without a
// preshared key it must not be there, and noted in WireguardImage::unpaired. Does nothing without pair_keys.
common::Result<void> complete_pairs(model::WireguardImage& image, const model::WireguardImage* former);

}  // namespace krait::wireguard
