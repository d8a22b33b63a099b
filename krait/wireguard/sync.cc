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

namespace {

template <typename Peer>
const Peer* find_peer(const std::vector<Peer>& peers, const PublicKey& key) {
  const auto found = std::ranges::lower_bound(peers, key, {}, &Peer::public_key);
  return found != peers.end() && found->public_key == key ? &*found : nullptr;
}

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
    const auto* before = find_peer(previous->peers, wanted.public_key);
    return before == nullptr || before->endpoint != wanted.endpoint;
  }
  // Subtracted on this side: a clock set back must not make a dead session live for long, nor overflow.
  return present.last_handshake_s <= now_s - kSessionLifeS;
}

bool is_link_local(const Ip& ip) {
  return ip.family == Family::v6 && ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80;
}

std::optional<Ip> first_of(std::span<const Ip> addresses, Family family) {
  const auto found = std::ranges::find(addresses, family, &Ip::family);
  return found == addresses.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

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

PeerPlan plan_peers(const DeviceState& device, const WireguardImage& image, const WireguardImage* previous,
                    std::int64_t now_s) {
  PeerPlan plan;
  for (const WireguardPeer& wanted : image.peers) {
    const PeerState* present = find_peer(device.peers, wanted.public_key);
    PeerUpdate update = update_of(wanted.public_key);
    if (present == nullptr) {
      update.endpoint = wanted.endpoint;
      update.allowed_ips = wanted.allowed_ips;
      plan.updates.push_back(std::move(update));
      ++plan.added;
      continue;
    }
    if (endpoint_needed(*present, wanted, previous, now_s)) {
      update.endpoint = wanted.endpoint;
    }
    update.allowed_ips = difference(wanted.allowed_ips, present->allowed_ips);
    if (update.endpoint || !update.allowed_ips.empty()) {
      plan.updates.push_back(std::move(update));
      ++plan.changed;
    }
  }
  return plan;
}

AddressPlan plan_addresses(std::span<const AddressState> present, std::span<const Ip> wanted) {
  AddressPlan plan;
  for (const AddressState& address : present) {
    const Ip& ip = address.prefix.ip;
    const AddressState host{Prefix::host(ip), ip};
    const bool is_wanted = std::ranges::find(wanted, ip) != wanted.end();
    if ((is_wanted && address == host) || (!is_wanted && is_link_local(ip))) {
      continue;
    }
    (is_wanted && ip.family == Family::v6 ? plan.remove_first : plan.remove).push_back(address);
  }
  std::ranges::copy_if(wanted, std::back_inserter(plan.add), [&](const Ip& ip) {
    return std::ranges::find(present, AddressState{Prefix::host(ip), ip}) == present.end();
  });
  return plan;
}

RoutePlan plan_routes(std::span<const RouteState> present, const WireguardImage& image) {
  const auto is_own = [&](const Prefix& prefix) {
    return prefix.length == prefix.ip.bits() && std::ranges::find(image.addresses, prefix.ip) != image.addresses.end();
  };
  const auto route_to = [&](const Prefix& prefix) {
    return RouteState{prefix, first_of(image.addresses, prefix.ip.family), kRouteProtocol};
  };
  const auto& wanted = image.routes;  // ascending, and so are mostly the present ones
  std::vector<bool> is_present(wanted.size());
  std::size_t next = 0;
  RoutePlan plan;
  for (const RouteState& route : present) {
    if (next >= wanted.size() || wanted[next] != route.prefix) {
      next = static_cast<std::size_t>(std::ranges::lower_bound(wanted, route.prefix) - wanted.begin());
    }
    if (next == wanted.size() || wanted[next] != route.prefix || is_own(route.prefix)) {
      if (route.protocol == kRouteProtocol) {
        plan.remove.push_back(route);
      }
      continue;
    }
    if (route_to(route.prefix) != route) {
      plan.replace.push_back(route_to(route.prefix));
    }
    is_present[next++] = true;
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!is_present[i] && !is_own(wanted[i])) {
      plan.add.push_back(route_to(wanted[i]));
    }
  }
  return plan;
}

}  // namespace krait::wireguard
