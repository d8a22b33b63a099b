#include "krait/wireguard/sync.h"

#include <algorithm>
#include <iterator>

namespace krait::wireguard {

using common::Family;
using common::Ip;
using common::Prefix;
using model::PublicKey;
using model::WireguardImage;
using model::WireguardPeer;
using netlink::Address;
using netlink::LinkRoute;

namespace {

// What is in `all` and not in `without`; both ascending.
std::vector<Prefix> difference(const std::vector<Prefix>& all, const std::vector<Prefix>& without) {
  std::vector<Prefix> rest;
  std::ranges::set_difference(all, without, std::back_inserter(rest));
  return rest;
}

PeerUpdate update_of(const PublicKey& key) {
  PeerUpdate update;
  update.public_key = key;
  return update;
}

PeerUpdate removal_of(const PublicKey& key) {
  PeerUpdate update = update_of(key);
  update.remove = true;
  return update;
}

bool endpoint_needed(const PeerState& present, const WireguardPeer& wanted, const WireguardImage* previous,
                     std::int64_t now_s) {
  if (!wanted.endpoint || present.endpoint == wanted.endpoint) {
    return false;
  }
  if (!present.endpoint) {
    return true;
  }
  if (previous != nullptr) {
    const auto* former = find_peer(previous->peers, wanted.public_key);
    return former == nullptr || former->endpoint != wanted.endpoint;
  }
  // Subtracted on this side: a clock set back must not make a dead session live for long, nor overflow.
  return present.last_handshake_s <= now_s - kSessionLifeS;
}

const WireguardPeer* before(const WireguardImage* previous, const PublicKey& key) {
  return previous == nullptr ? nullptr : find_peer(previous->peers, key);
}

// What krait itself may have set of a peer.
struct Former {
  const WireguardPeer* peer = nullptr;  // null: nothing
  bool is_network = false;              // any preshared key
};

bool has_preshared_key(const WireguardPeer& peer) {
  return !peer.preshared_key_file.empty() || peer.pair_id != crypto::Hash{};
}

// What the image says nothing of is left to whoever sets it, but for what krait has set itself. In a network nobody
// else gives a peer a preshared key: one that an agent left there which was killed must go too.
void update_session(PeerUpdate& update, const PeerState& present, const WireguardPeer& wanted, const Former& former,
                    const PresharedKeys& preshared) {
  const bool had_keepalive = former.peer != nullptr && former.peer->keepalive_s != 0;
  if (present.keepalive_s != wanted.keepalive_s && (wanted.keepalive_s != 0 || had_keepalive)) {
    update.keepalive_s = wanted.keepalive_s;
  }
  const auto key = preshared.find(wanted.public_key);
  if (key != preshared.end() && preshared_id(key->second->bytes()) != present.preshared_id) {
    update.preshared_key = key->second;
  }
  const bool had_key = former.is_network || (former.peer != nullptr && has_preshared_key(*former.peer));
  const bool has_key = key != preshared.end() || has_preshared_key(wanted);
  update.without_preshared_key = !has_key && had_key && present.preshared_id != crypto::Hash{};
}

bool is_link_local(const Ip& ip) {
  return ip.family == Family::v6 && ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80;
}

// As krait sets addresses: alone in its network, with no other end.
bool is_host(const Address& address) {
  return address.prefix == Prefix::host(address.prefix.ip) && address.other_end == address.prefix.ip;
}

std::optional<Ip> first_of(std::span<const Ip> addresses, Family family) {
  const auto found = std::ranges::find(addresses, family, &Ip::family);
  return found == addresses.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

crypto::Hash preshared_id(std::span<const std::uint8_t> key) {
  const bool is_none = std::ranges::all_of(key, [](std::uint8_t byte) { return byte == 0; });
  return is_none ? crypto::Hash{} : crypto::hash_of("krait preshared", key);
}

PeerPlan plan_withdrawal(const DeviceState& device, const WireguardImage& image, const PublicKey& sink) {
  PeerPlan plan;
  PeerUpdate moved = update_of(sink);
  for (const PeerState& present : device.peers) {
    const WireguardPeer* wanted = find_peer(image.peers, present.public_key);
    if (wanted == nullptr) {
      plan.updates.push_back(removal_of(present.public_key));
      ++plan.removed;
      continue;
    }
    const auto surplus = difference(present.allowed_ips, wanted->allowed_ips);
    if (!surplus.empty()) {
      moved.allowed_ips.insert(moved.allowed_ips.end(), surplus.begin(), surplus.end());
      ++plan.changed;
    }
  }
  if (!moved.allowed_ips.empty()) {
    plan.updates.push_back(std::move(moved));
    plan.updates.push_back(removal_of(sink));
  }
  return plan;
}

bool asks_the_same(const WireguardImage& image, const WireguardImage& former) {
  return std::ranges::all_of(image.peers, [&](const WireguardPeer& peer) {
    const WireguardPeer* before = find_peer(former.peers, peer.public_key);
    return before != nullptr && before->endpoint == peer.endpoint && before->keepalive_s == peer.keepalive_s &&
           before->preshared_key_file.empty() && peer.preshared_key_file.empty();
  });
}

PeerPlan plan_peers(const DeviceState& device, const WireguardImage& image, const WireguardImage* previous,
                    std::int64_t now_s, const PresharedKeys& preshared) {
  PeerPlan plan;
  for (const WireguardPeer& wanted : image.peers) {
    const PeerState* present = find_peer(device.peers, wanted.public_key);
    PeerUpdate update = update_of(wanted.public_key);
    if (present == nullptr) {
      update.endpoint = wanted.endpoint;
      update.allowed_ips = wanted.allowed_ips;
      update_session(update, {}, wanted, {}, preshared);
      plan.updates.push_back(std::move(update));
      ++plan.added;
      continue;
    }
    if (endpoint_needed(*present, wanted, previous, now_s)) {
      update.endpoint = wanted.endpoint;
    }
    update.allowed_ips = difference(wanted.allowed_ips, present->allowed_ips);
    update_session(update, *present, wanted,
                   {.peer = before(previous, wanted.public_key), .is_network = image.is_network}, preshared);
    if (update.endpoint || !update.allowed_ips.empty() || update.keepalive_s || update.preshared_key ||
        update.without_preshared_key) {
      plan.updates.push_back(std::move(update));
      ++plan.changed;
    }
  }
  return plan;
}

AddressPlan plan_addresses(std::span<const Address> present, std::span<const Ip> wanted) {
  AddressPlan plan;
  for (const Address& address : present) {
    const Ip& ip = address.prefix.ip;
    const bool is_wanted = std::ranges::find(wanted, ip) != wanted.end();
    if ((is_wanted && is_host(address)) || (!is_wanted && is_link_local(ip))) {
      continue;
    }
    (is_wanted && ip.family == Family::v6 ? plan.remove_first : plan.remove).push_back(address);
  }
  std::ranges::copy_if(wanted, std::back_inserter(plan.add), [&](const Ip& ip) {
    return std::ranges::none_of(present,
                                [&](const Address& address) { return address.prefix.ip == ip && is_host(address); });
  });
  return plan;
}

RoutePlanner::RoutePlanner(const WireguardImage& image, Family family)
    : addresses_(image.addresses),
      wanted_(
          std::ranges::equal_range(image.routes, family, {}, [](const Prefix& prefix) { return prefix.ip.family; })),
      ours_{.prefix = {}, .source = first_of(image.addresses, family), .protocol = kRouteProtocol},
      is_present_(wanted_.size()) {}

bool RoutePlanner::is_own(const Prefix& prefix) const {
  return prefix.length == prefix.ip.bits() && std::ranges::find(addresses_, prefix.ip) != addresses_.end();
}

// The next of the image that is expected, for dumps ascend; else the image's of that prefix.
bool RoutePlanner::find_wanted(const Prefix& prefix) {
  if (next_ < wanted_.size() && wanted_[next_] == prefix) {
    return true;
  }
  next_ = static_cast<std::size_t>(std::ranges::lower_bound(wanted_, prefix) - wanted_.begin());
  return next_ < wanted_.size() && wanted_[next_] == prefix;
}

void RoutePlanner::add(const LinkRoute& present) {
  if (!find_wanted(present.prefix) || is_own(present.prefix)) {
    if (present.protocol == kRouteProtocol) {
      plan_.remove.push_back(present);
    }
    return;
  }
  if (present.protocol != ours_.protocol || present.source != ours_.source) {
    ours_.prefix = present.prefix;
    plan_.replace.push_back(ours_);
  }
  is_present_[next_++] = 1;
}

void RoutePlanner::finish(RoutePlan& plan) {
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (is_present_[i] == 0 && !is_own(wanted_[i])) {
      ours_.prefix = wanted_[i];
      plan_.add.push_back(ours_);
    }
  }
  for (auto list : {&RoutePlan::remove, &RoutePlan::replace, &RoutePlan::add}) {
    (plan.*list).insert((plan.*list).end(), (plan_.*list).begin(), (plan_.*list).end());
  }
}

}  // namespace krait::wireguard
