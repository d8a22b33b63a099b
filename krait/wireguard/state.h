// What a WireGuard interface tells of itself, and what was done to it: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "krait/model/wireguard_image.h"

namespace krait::wireguard {

// A session without a handshake for this long is dead (REJECT_AFTER_TIME in the WireGuard paper and in the kernel's
// drivers/net/wireguard/messages.h).
inline constexpr std::int64_t kSessionLifeS = 180;

// Something that the kernel refused. What does not depend on it was done all the same.
struct Refusal {
  std::string what;
  std::string hint;

  bool operator==(const Refusal&) const = default;
};

// What withdraw() or apply() did: everything but the MTU zero means that nothing had to be touched.
struct Changes {
  std::uint32_t peers_added = 0;
  std::uint32_t peers_changed = 0;
  std::uint32_t peers_removed = 0;
  std::uint32_t addresses = 0;
  std::uint32_t routes = 0;
  bool device = false;            // key, port, MTU or the link's state
  std::uint32_t mtu_bytes = 0;    // of the interface now; 0: not looked at
  model::PublicKey public_key{};  // of the interface, as it was found; all zero: it had none
  std::vector<Refusal> refused;

  // The MTU and the key alone are no change, nor what was refused.
  [[nodiscard]] bool any() const {
    return peers_added + peers_changed + peers_removed + addresses + routes != 0 || device;
  }
  Changes& operator+=(const Changes& other);
};

struct PeerStatus {
  model::PublicKey public_key{};
  std::optional<common::Endpoint> endpoint;
  std::int64_t last_handshake_s = 0;  // Unix time, 0: never
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

struct Status {
  std::uint32_t interface_index = 0;
  model::PublicKey public_key{};
  std::uint16_t listen_port = 0;
  std::vector<PeerStatus> peers;  // ascending by key
};

// Where an interface is: it may have been renamed.
struct Whereabouts {
  std::uint32_t index = 0;
  std::string name;
  bool is_marked = false;  // as krait's own
};

// The MTU of the interface that fits into the ways to its peers' present endpoints: see path_mtu.h.
struct Mtu {
  std::uint32_t bytes = 0;
  bool changed = false;  // set just now
};

// A peer that may send from more than the image gives it: see surplus.h.
struct Surplus {
  model::PublicKey public_key{};
  bool is_known = false;                 // the image has the peer
  std::vector<common::Prefix> prefixes;  // of its allowed IPs, ascending; at least one
};

struct PeerEndpoint {
  model::PublicKey peer{};
  common::Endpoint endpoint;

  bool operator==(const PeerEndpoint&) const = default;
};

}  // namespace krait::wireguard
