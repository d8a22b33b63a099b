// What the kernel's WireGuard interface should be: made by krait/compile, applied by krait/wireguard.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "krait/model/mesh.h"

namespace krait::model {

struct WireguardPeer {
  PublicKey public_key{};
  std::optional<common::Endpoint> endpoint;  // where to call it first; the kernel then follows it when it roams
  std::vector<common::Prefix> allowed_ips;   // ascending
  std::optional<PublicKey> next_public_key = std::nullopt;  // announced: the peer may use it from any moment on
  std::uint16_t keepalive_s = 0;                            // 0: whatever the interface has, unless krait set it
  std::string preshared_key_file{};                         // likewise for none; read when it is applied
  std::array<std::uint8_t, 32> host_key{};                  // as model::Peer has it
  std::array<std::uint8_t, 32> pair_id{};  // by which the kernel's key of this pair is known; all zero: none
};

// Everything but the keys that are secret, which go from their files to the kernel and nowhere else, and the MTU, which
// follows from the routes to the peers.
struct WireguardImage {
  std::string interface;
  std::uint16_t listen_port = 0;
  std::vector<common::Ip> addresses;   // of the interface, as hosts (/32, /128)
  std::vector<common::Prefix> routes;  // through the interface, ascending
  std::vector<WireguardPeer> peers;    // ascending by key
  bool is_network = false;             // then whatever preshared key a peer has is the pair's, or goes
  std::optional<PairKeys> pair_keys{};
  std::vector<PublicKey> unpaired{};  // who is no peer, since its host key is none (krait/wireguard/pairs.h)
};

}  // namespace krait::model
