#include "krait/wireguard/wireguard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <utility>

#include "common/netlink/links.h"
#include "common/netlink/network.h"
#include "krait/wireguard/device.h"
#include "krait/wireguard/link_sync.h"
#include "krait/wireguard/pairs.h"
#include "krait/wireguard/path_mtu.h"
#include "krait/wireguard/rotation.h"
#include "krait/wireguard/surplus.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::WireguardImage;
using netlink::Link;
using netlink::Links;
using netlink::Network;
using netlink::NewHome;

namespace {

constexpr const char* kKind = "wireguard";

Error not_ours(const std::string& interface, const Link& link) {
  const std::string what = link.kind == kKind ? "a WireGuard interface that krait did not make"
                                              : fmt::format("not a WireGuard interface (it is {})",
                                                            link.kind.empty() ? "a network card" : link.kind);
  return {ErrorCode::invalid_input,
          fmt::format("{0} is {1}, so it is left as it is; to have it guarded: krait-agent --iface {0}; "
                      "to have one of krait's own: set another `interface` in krait.toml",
                      interface, what)};
}

bool is_marked(const Link& link) { return link.kind == kKind && link.group == kLinkGroup; }

// The conversations and the interface that they are about.
struct Session {
  Links links;
  Network network;
  Device device;
  Link link;

  [[nodiscard]] Interface interface() { return {links, network, link}; }
};

Result<Session> open_session(const std::string& interface) {
  KRAIT_TRY(auto links, Links::open());
  KRAIT_TRY(auto link, links.find(interface));
  if (link.kind != kKind) {
    return not_ours(interface, link);
  }
  KRAIT_TRY(auto network, Network::open());
  KRAIT_TRY(auto device, Device::open());
  return Session{std::move(links), std::move(network), std::move(device), std::move(link)};
}

// A session, and what the device held when it began.
struct Reading {
  Session session;
  DeviceState state;
};

Result<Reading> read_device(const std::string& interface) {
  KRAIT_TRY(auto session, open_session(interface));
  KRAIT_TRY(auto state, session.device.read(session.link.index));
  return Reading{std::move(session), std::move(state)};
}

Result<void> apply_device(Session& session, const DeviceState& state, const WireguardImage& image,
                          const PrivateKey* key, Changes& changes) {
  if (state.listen_port != image.listen_port) {
    auto set = session.device.set_port(session.link.index, image.listen_port);
    if (!set && set.error().sys_errno() != EADDRINUSE) {
      return passed_on(set, fmt::format("set the port of {}", image.interface));
    }
    // While the link is up the port that it has goes on being its own.
    if (!set) {
      changes.refused.push_back(port_taken(image));
    }
    changes.device = changes.device || set;
  }
  if (key != nullptr && state.public_key != key->public_key()) {
    KRAIT_CHECK(session.device.set_key(session.link.index, *key),
                fmt::format("set the private key of {}", image.interface));
    changes.device = true;
  }
  return {};
}

Result<PresharedKeys> keys_of_files(const WireguardImage& image) {
  PresharedKeys keys;
  for (const model::WireguardPeer& peer : image.peers) {
    if (!peer.preshared_key_file.empty()) {
      KRAIT_TRY(auto key, crypto::Secret::load(peer.preshared_key_file, "wg genpsk"), "read a preshared key");
      keys.emplace(peer.public_key, std::make_shared<const crypto::Secret>(std::move(key)));
    }
  }
  return keys;
}

bool has_pair_key(const DeviceState& state, const model::WireguardPeer& peer) {
  const PeerState* present = find_peer(state.peers, peer.public_key);
  return present != nullptr && present->preshared_id == peer.pair_id && peer.pair_id != crypto::Hash{};
}

// From files, and those of pairs that the device does not have.
Result<PresharedKeys> preshared_keys(const WireguardImage& image, const DeviceState& state) {
  KRAIT_TRY(auto keys, keys_of_files(image));
  const auto lacks = [&](const model::WireguardPeer& peer) { return !has_pair_key(state, peer); };
  if (!image.pair_keys || std::ranges::none_of(image.peers, lacks)) {
    return keys;
  }
  KRAIT_TRY(const auto pairs, Pairs::load(*image.pair_keys));
  for (const model::WireguardPeer& peer : image.peers) {
    if (!lacks(peer)) {
      continue;
    }
    auto key = pairs.key_with(peer.host_key);
    if (!key) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("the host key of the peer {} is none", model::key_text(peer.public_key)));
    }
    keys.insert_or_assign(peer.public_key, std::make_shared<const crypto::Secret>(std::move(*key)));
  }
  return keys;
}

Result<PeerPlan> apply_peers(Session& session, const DeviceState& state, const WireguardImage& image,
                             const WireguardImage* previous, Changes& changes) {
  const WireguardImage followed = follow_announced(image, state);
  const auto before = previous != nullptr ? std::optional(follow_announced(*previous, state)) : std::nullopt;
  KRAIT_TRY(const auto preshared, preshared_keys(followed, state));
  PeerPlan plan = plan_peers(state, followed, before ? &*before : nullptr, std::time(nullptr), preshared);
  KRAIT_CHECK(session.device.update_peers(session.link.index, plan.updates),
              fmt::format("set the peers of {}", image.interface));
  changes.peers_added += plan.added;
  changes.peers_changed += plan.changed;
  return plan;
}

Result<Mtu> fit_mtu(Session& session, const std::string& interface, const Destinations& to) {
  KRAIT_TRY(auto fitting, find_fitting_mtu({session.network, session.links}, session.link.index, to),
            fmt::format("find the MTU of {}", interface));
  if (fitting == session.link.mtu_bytes) {
    return Mtu{fitting, false};
  }
  KRAIT_CHECK(session.links.set_mtu(session.link.index, fitting),
              fmt::format("set the MTU of {} to {}", interface, fitting));
  return Mtu{fitting, true};
}

}  // namespace

Changes& Changes::operator+=(const Changes& other) {
  peers_added += other.peers_added;
  peers_changed += other.peers_changed;
  peers_removed += other.peers_removed;
  addresses += other.addresses;
  routes += other.routes;
  device = device || other.device;
  mtu_bytes = other.mtu_bytes != 0 ? other.mtu_bytes : mtu_bytes;
  refused.insert(refused.end(), other.refused.begin(), other.refused.end());
  return *this;
}

Result<void> check_preshared_keys(const WireguardImage& image) {
  const auto keys = keys_of_files(image);
  return keys ? Result<void>() : keys.error();
}

Result<std::uint32_t> ensure_link(const std::string& interface, std::uint32_t own_index) {
  KRAIT_TRY(auto links, Links::open());
  auto link = links.find(interface);
  if (!link && link.error().code() == ErrorCode::not_found) {
    auto added = links.add(interface, kKind, kLinkGroup);
    if (!added && added.error().sys_errno() == EOPNOTSUPP) {
      return no_wireguard();
    }
    if (!added && added.error().sys_errno() != EEXIST) {
      return passed_on(added, fmt::format("make the interface {}", interface));
    }
    link = links.find(interface);
  }
  if (!link) {
    return std::move(link.error());
  }
  if (link->kind != kKind || (!is_marked(*link) && link->index != own_index)) {
    return not_ours(interface, *link);
  }
  if (link->group == 0) {  // another group than the default one is somebody's for a reason
    KRAIT_CHECK(links.set_group(link->index, kLinkGroup), fmt::format("mark the interface {} as krait's", interface));
  }
  return link->index;
}

Result<std::uint32_t> link_index(const std::string& interface) {
  KRAIT_TRY(auto links, Links::open());
  KRAIT_TRY(auto link, links.find(interface));
  return link.index;
}

Result<Whereabouts> find_link(const std::string& interface, std::uint32_t index) {
  KRAIT_TRY(auto links, Links::open());
  auto link = index != 0 ? links.find(index) : links.find(interface);
  if (index != 0 && !link && link.error().code() == ErrorCode::not_found) {
    link = links.find(interface);
  }
  if (!link) {
    return std::move(link.error());
  }
  const bool marked = is_marked(*link);
  return Whereabouts{.index = link->index, .name = std::move(link->name), .is_marked = marked};
}

Result<void> rename_link(std::uint32_t index, const std::string& name) {
  KRAIT_TRY(auto links, Links::open());
  auto renamed = links.rename(index, name);
  if (renamed || renamed.error().sys_errno() != EBUSY || links.find(name)) {
    return renamed;
  }
  auto down = links.set_down(index);
  return down ? links.rename(index, name) : std::move(down);
}

Result<Changes> withdraw(const WireguardImage& image) {
  KRAIT_TRY(auto session, open_session(image.interface));
  KRAIT_TRY(const auto state, session.device.read(session.link.index));
  const WireguardImage followed = follow_announced(image, state);
  const PeerPlan plan = plan_withdrawal(state, followed, PrivateKey::generate().public_key());
  KRAIT_CHECK(session.device.update_peers(session.link.index, plan.updates),
              fmt::format("remove peers from {}", image.interface));
  Changes changes;
  changes.public_key = state.public_key;
  changes.peers_changed = plan.changed;
  changes.peers_removed = plan.removed;
  return changes;
}

Result<Changes> apply(const WireguardImage& image, const PrivateKey* key, const WireguardImage* previous) {
  if (key != nullptr &&
      std::ranges::find(image.peers, key->public_key(), &model::WireguardPeer::public_key) != image.peers.end()) {
    return Error(ErrorCode::invalid_input, fmt::format("the peer {} has this host's own key; every host needs its own",
                                                       model::key_text(key->public_key())));
  }
  KRAIT_TRY(auto session, open_session(image.interface));
  KRAIT_TRY(const auto state, session.device.read(session.link.index));
  Changes changes;
  KRAIT_CHECK(apply_device(session, state, image, key, changes));
  KRAIT_TRY(const auto plan, apply_peers(session, state, image, previous, changes));
  // Before the addresses, for IPv6 takes none below 1280 bytes.
  KRAIT_TRY(const auto mtu, fit_mtu(session, image.interface, destinations_of(state, plan.updates)));
  changes.mtu_bytes = mtu.bytes;
  changes.device = changes.device || mtu.changed;
  KRAIT_CHECK(apply_link(session.interface(), image, changes));
  return changes;
}

Result<bool> is_applied(const WireguardImage& image, const model::PublicKey& key, const WireguardImage* previous) {
  if (previous == nullptr || (previous != &image && !asks_the_same(image, *previous))) {
    return false;
  }
  KRAIT_TRY(auto session, open_session(image.interface));
  const auto device = session.device.is(session.link.index, image, key);
  return device && *device ? is_applied(session.interface(), image) : device;
}

Result<Mtu> fit_mtu(const std::string& interface) {
  KRAIT_TRY(auto reading, read_device(interface));
  return fit_mtu(reading.session, interface, destinations_of(reading.state, {}));
}

Result<bool> has_rotated_peer(const WireguardImage& image) {
  KRAIT_TRY(const auto reading, read_device(image.interface));
  return has_gone_over(image, reading.state);
}

Result<void> change_key(const std::string& interface, const PrivateKey& key) {
  KRAIT_TRY(auto session, open_session(interface));
  const std::string doing = fmt::format("set the private key of {}", interface);
  KRAIT_TRY(const auto state, session.device.read(session.link.index), doing);
  KRAIT_CHECK(session.device.set_key(session.link.index, key), doing);
  return session.device.call_peers(session.link.index, state.peers);
}

Result<Status> status(const std::string& interface) {
  KRAIT_TRY(auto reading, read_device(interface));
  Status status{.interface_index = reading.session.link.index,
                .public_key = reading.state.public_key,
                .listen_port = reading.state.listen_port,
                .peers = {}};
  for (const PeerState& peer : reading.state.peers) {
    status.peers.push_back(
        {peer.public_key, peer.endpoint, peer.last_handshake_s, peer.received_bytes, peer.sent_bytes});
  }
  return status;
}

Result<std::vector<Surplus>> surplus(const std::string& interface, const WireguardImage& image) {
  KRAIT_TRY(auto links, Links::open());
  const auto link = links.find(interface);
  if (link && link->kind != kKind) {
    return std::vector<Surplus>();
  }
  KRAIT_TRY(const auto reading, read_device(interface));
  return surplus_of(reading.state, image);
}

Result<void> set_endpoints(const std::string& interface, std::span<const PeerEndpoint> endpoints) {
  KRAIT_TRY(auto session, open_session(interface));
  std::vector<PeerUpdate> updates;
  for (const PeerEndpoint& endpoint : endpoints) {
    PeerUpdate update;
    update.public_key = endpoint.peer;
    update.only_if_present = true;
    update.endpoint = endpoint.endpoint;
    updates.push_back(std::move(update));
  }
  KRAIT_CHECK(session.device.update_peers(session.link.index, updates), fmt::format("set endpoints of {}", interface));
  return {};
}

Result<void> remove_moved_link(const NewHome& home) {
  KRAIT_TRY(auto links, Links::open());
  KRAIT_TRY(const auto link, links.find(home));
  if (link.kind != kKind) {
    return Error(ErrorCode::not_found, "there is another interface now");
  }
  return links.remove(home);
}

Result<void> remove_link(const std::string& interface) {
  KRAIT_TRY(auto links, Links::open());
  auto link = links.find(interface);
  if (!link && link.error().code() == ErrorCode::not_found) {
    return {};
  }
  if (!link) {
    return std::move(link.error());
  }
  if (link->kind != kKind) {
    return not_ours(interface, *link);
  }
  auto removed = links.remove(link->index);
  if (!removed && removed.error().sys_errno() != ENODEV) {
    return passed_on(removed, fmt::format("remove the interface {}", interface));
  }
  return {};
}

}  // namespace krait::wireguard
