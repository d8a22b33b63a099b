// What differs between the kernel's state and the image, as plain values: pure, no system call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <vector>

#include "common/ip.h"
#include "common/netlink/address.h"
#include "common/netlink/route.h"
#include "krait/crypto/hash.h"
#include "krait/crypto/secret.h"
#include "krait/model/wireguard_image.h"
#include "krait/wireguard/state.h"

namespace krait::wireguard {

// The protocol number that marks our routes (rtm_protocol), so that we remove no other's. Not in the kernel's
// linux/rtnetlink.h nor in iproute2's rt_protos.
inline constexpr std::uint8_t kRouteProtocol = 98;

// The group of the links that krait makes: "krai". Of all that can mark a link only the group is there from the moment
// at which the link is, so that an agent that is killed right after leaves none that the next one takes for a
// stranger's.
inline constexpr std::uint32_t kLinkGroup = 0x6b726169;

// --- Peers

struct PeerState {
  model::PublicKey public_key{};
  std::optional<common::Endpoint> endpoint;
  std::int64_t last_handshake_s = 0;  // Unix time, 0: never
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::vector<common::Prefix> allowed_ips;  // ascending
  std::uint16_t keepalive_s = 0;
  crypto::Hash preshared_id{};  // preshared_id() of its preshared key; all zero: it has none
};

// A hash by which preshared keys are told apart, since nobody but the kernel keeps them. All zero for none.
crypto::Hash preshared_id(std::span<const std::uint8_t> key);
// Those of an image's peers, by the peer's key.
using PresharedKeys = std::map<model::PublicKey, std::shared_ptr<const crypto::Secret>>;

struct DeviceState {
  std::uint32_t index = 0;
  model::PublicKey public_key{};  // all zero: no key yet
  std::uint16_t listen_port = 0;
  std::vector<PeerState> peers;  // ascending by key
};

// The peer with this key; null where there is none. `peers` are ascending by key: a device's or an image's.
template <typename Peers>
const std::ranges::range_value_t<Peers>* find_peer(const Peers& peers, const model::PublicKey& key) {
  const auto found = std::ranges::lower_bound(peers, key, {}, &std::ranges::range_value_t<Peers>::public_key);
  return found != std::ranges::end(peers) && found->public_key == key ? &*found : nullptr;
}

struct PeerUpdate {
  model::PublicKey public_key{};
  bool remove = false;
  bool only_if_present = false;  // do not make the peer
  std::optional<common::Endpoint> endpoint;
  std::vector<common::Prefix> allowed_ips;  // to add to those that it has
  std::optional<std::uint16_t> keepalive_s{};
  std::shared_ptr<const crypto::Secret> preshared_key{};  // null: it stays
  bool without_preshared_key = false;
};

// Updates in the order in which the kernel must see them.
struct PeerPlan {
  std::vector<PeerUpdate> updates;
  std::uint32_t added = 0;
  std::uint32_t changed = 0;
  std::uint32_t removed = 0;
};

// Removes the peers and allowed IPs that the image does not have. The kernel before 6.16 knows only "replace the whole
// list", which leaves the addresses that stay without a peer for a moment and loses their packets. So the addresses to
// go are moved to a peer `sink` that nobody can be (a random key), and then that peer is removed.
PeerPlan plan_withdrawal(const DeviceState& device, const model::WireguardImage& image, const model::PublicKey& sink);

// Whether `image` asks nothing of its peers that a device which had `former` may lack and does not tell: another
// endpoint (peers roam), another keepalive, another preshared key from a file. A file of such a key may hold another
// one meanwhile.
bool asks_the_same(const model::WireguardImage& image, const model::WireguardImage& former);

// Adds the peers and allowed IPs that the device does not have. `previous` is the image that was applied before; none
// at the agent's start: then an endpoint that differs stays only while its session lives at `now_s` (Unix time).
PeerPlan plan_peers(const DeviceState& device, const model::WireguardImage& image,
                    const model::WireguardImage* previous, std::int64_t now_s, const PresharedKeys& preshared = {});

// --- Addresses

// To be done in this order.
struct AddressPlan {
  std::vector<netlink::Address> remove_first;  // IPv6 cannot hold an address twice with different lengths or other ends
  std::vector<common::Ip> add;
  std::vector<netlink::Address> remove;  // IPv4: after adding, so that routes with this source survive
};

// Everything that the image does not have goes, except IPv6 link-local addresses.
AddressPlan plan_addresses(std::span<const netlink::Address> present, std::span<const common::Ip> wanted);

// --- Routes

struct RoutePlan {
  std::vector<netlink::LinkRoute> remove;
  std::vector<netlink::LinkRoute> replace;  // present, but with another source or another protocol
  std::vector<netlink::LinkRoute> add;
};

// Compares the routes of one family through the interface, in the main table and with the default metric, with the
// image's, as they are listed: none is kept. Only routes of ours are removed; another's route to a wanted prefix
// becomes ours.
class RoutePlanner {
 public:
  // `image` outlives the planner.
  RoutePlanner(const model::WireguardImage& image, common::Family family);

  void add(const netlink::LinkRoute& present);  // in any order; ascending is the fastest
  // After the last one: adds what has to be done to `plan`.
  void finish(RoutePlan& plan);

 private:
  [[nodiscard]] bool is_own(const common::Prefix& prefix) const;
  // Whether the image has the prefix; next_ is then its place.
  [[nodiscard]] bool find_wanted(const common::Prefix& prefix);

  std::span<const common::Ip> addresses_;
  std::span<const common::Prefix> wanted_;  // ascending
  netlink::LinkRoute ours_;                 // to any of them, but for the prefix
  std::vector<char> is_present_;            // not bits: set for each route of a dump
  std::size_t next_ = 0;                    // where the next one is looked for first
  RoutePlan plan_;
};

}  // namespace krait::wireguard
