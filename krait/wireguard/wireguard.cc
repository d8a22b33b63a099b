#include "krait/wireguard/wireguard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "krait/wireguard/device.h"
#include "krait/wireguard/link.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {

using common::Error;
using common::ErrorCode;
using common::Family;
using common::Result;
using model::WireguardImage;

namespace {

constexpr const char* kKind = "wireguard";

Error not_ours(const std::string& interface, const LinkState& link) {
  return {ErrorCode::invalid_input, fmt::format("{} is not a WireGuard interface (it is {}); choose another name",
                                                interface, link.kind.empty() ? "a network card" : link.kind)};
}

// Both conversations and the interface that they are about.
struct Session {
  Links links;
  Device device;
  LinkState link;
};

Result<Session> open_session(const std::string& interface) {
  auto links = Links::open();
  if (!links) {
    return std::move(links.error());
  }
  auto link = links->find(interface);
  if (!link) {
    return std::move(link.error());
  }
  if (link->kind != kKind) {
    return not_ours(interface, *link);
  }
  auto device = Device::open();
  if (!device) {
    return std::move(device.error());
  }
  return Session{std::move(*links), std::move(*device), std::move(*link)};
}

// For the two steps that take the UDP port: setting it while the link is up, and bringing the link up.
Result<void> explain_port(Result<void> done, std::uint16_t port, std::string what) {
  if (!done && done.error().sys_errno() == EADDRINUSE) {
    return Error(ErrorCode::system,
                 fmt::format("{}: UDP port {} is taken; choose another listen_port or stop the program that holds it",
                             what, port),
                 EADDRINUSE);
  }
  if (!done) {
    return passed_on(done, std::move(what));
  }
  return done;
}

Result<void> apply_device(Session& session, const DeviceState& state, const WireguardImage& image,
                          const PrivateKey& key, Changes& changes) {
  if (state.listen_port != image.listen_port) {
    auto set = explain_port(session.device.set_port(session.link.index, image.listen_port), image.listen_port,
                            fmt::format("set the port of {}", image.interface));
    if (!set) {
      return set;
    }
    changes.device = true;
  }
  if (state.public_key != key.public_key()) {
    if (auto set = session.device.set_key(session.link.index, key); !set) {
      return passed_on(set, fmt::format("set the private key of {}", image.interface));
    }
    changes.device = true;
  }
  return {};
}

Result<void> apply_peers(Session& session, const DeviceState& state, const WireguardImage& image,
                         const WireguardImage* previous, Changes& changes) {
  const PeerPlan plan = plan_peers(state, image, previous, std::time(nullptr));
  if (auto sent = session.device.update_peers(session.link.index, plan.updates); !sent) {
    return passed_on(sent, fmt::format("set the peers of {}", image.interface));
  }
  changes.peers_added += plan.added;
  changes.peers_changed += plan.changed;
  return {};
}

Result<void> add_address(Session& session, const std::string& interface, const common::Ip& ip) {
  auto added = session.links.add_address(session.link.index, ip);
  if (!added && added.error().sys_errno() == EACCES && ip.family == Family::v6) {
    return Error(ErrorCode::unsupported,
                 fmt::format("add the address {} to {}: IPv6 is switched off; sysctl net.ipv6.conf.{}.disable_ipv6=0",
                             ip.text(), interface, interface));
  }
  if (!added) {
    return passed_on(added, fmt::format("add the address {} to {}", ip.text(), interface));
  }
  return added;
}

Result<void> remove_addresses(Session& session, const std::string& interface,
                              const std::vector<AddressState>& addresses, Changes& changes) {
  for (const AddressState& address : addresses) {
    if (auto removed = session.links.remove_address(session.link.index, address); !removed) {
      return passed_on(removed, fmt::format("remove the address {} from {}", address.prefix.text(), interface));
    }
    ++changes.addresses;
  }
  return {};
}

Result<void> apply_addresses(Session& session, const WireguardImage& image, Changes& changes) {
  const auto present = session.links.addresses(session.link.index);
  if (!present) {
    return present.error();
  }
  const AddressPlan plan = plan_addresses(*present, image.addresses);
  if (auto removed = remove_addresses(session, image.interface, plan.remove_first, changes); !removed) {
    return removed;
  }
  for (const common::Ip& ip : plan.add) {
    if (auto added = add_address(session, image.interface, ip); !added) {
      return added;
    }
    ++changes.addresses;
  }
  return remove_addresses(session, image.interface, plan.remove, changes);
}

Result<void> apply_link(Session& session, const WireguardImage& image, Changes& changes) {
  if (session.link.mtu_bytes != image.mtu_bytes) {
    if (auto set = session.links.set_mtu(session.link.index, image.mtu_bytes); !set) {
      return passed_on(set, fmt::format("set the MTU of {} to {}", image.interface, image.mtu_bytes));
    }
    changes.device = true;
  }
  if (!session.link.up) {
    auto set = explain_port(session.links.set_up(session.link.index), image.listen_port,
                            fmt::format("bring {} up", image.interface));
    if (!set) {
      return set;
    }
    changes.device = true;
  }
  return {};
}

Result<void> change_routes(Session& session, const std::vector<RouteState>& routes,
                           Result<void> (Links::*change)(std::uint32_t, const RouteState&), const std::string& doing,
                           Changes& changes) {
  for (const RouteState& route : routes) {
    auto changed = (session.links.*change)(session.link.index, route);
    if (!changed && changed.error().sys_errno() == EEXIST) {
      return Error(
          ErrorCode::system,
          fmt::format("{} {}: this host has a route to it already; remove that or take the prefix from the file", doing,
                      route.prefix.text()),
          EEXIST);
    }
    if (!changed) {
      return passed_on(changed, fmt::format("{} {}", doing, route.prefix.text()));
    }
    ++changes.routes;
  }
  return {};
}

Result<void> apply_routes(Session& session, const WireguardImage& image, Changes& changes) {
  const auto present = session.links.routes(session.link.index);
  if (!present) {
    return present.error();
  }
  const RoutePlan plan = plan_routes(*present, image);
  auto done = change_routes(session, plan.remove, &Links::remove_route, "remove the route to", changes);
  if (done) {
    done = change_routes(session, plan.replace, &Links::replace_route, "replace the route to", changes);
  }
  if (done) {
    done = change_routes(session, plan.add, &Links::add_route, "add the route to", changes);
  }
  return done;
}

}  // namespace

Result<std::uint32_t> ensure_link(const std::string& interface) {
  auto links = Links::open();
  if (!links) {
    return std::move(links.error());
  }
  auto link = links->find(interface);
  if (!link && link.error().code() == ErrorCode::not_found) {
    auto added = links->add(interface, kKind);
    if (!added && added.error().sys_errno() == EOPNOTSUPP) {
      return no_wireguard();
    }
    if (!added && added.error().sys_errno() != EEXIST) {
      return passed_on(added, fmt::format("make the interface {}", interface));
    }
    link = links->find(interface);
  }
  if (!link) {
    return std::move(link.error());
  }
  if (link->kind != kKind) {
    return not_ours(interface, *link);
  }
  return link->index;
}

Result<std::uint32_t> link_index(const std::string& interface) {
  auto links = Links::open();
  if (!links) {
    return std::move(links.error());
  }
  auto link = links->find(interface);
  if (!link) {
    return std::move(link.error());
  }
  return link->index;
}

Result<Changes> withdraw(const WireguardImage& image) {
  auto session = open_session(image.interface);
  if (!session) {
    return std::move(session.error());
  }
  const auto state = session->device.read(session->link.index);
  if (!state) {
    return state.error();
  }
  const PeerPlan plan = plan_withdrawal(*state, image, PrivateKey::generate().public_key());
  if (auto sent = session->device.update_peers(session->link.index, plan.updates); !sent) {
    return passed_on(sent, fmt::format("remove peers from {}", image.interface));
  }
  Changes changes;
  changes.peers_changed = plan.changed;
  changes.peers_removed = plan.removed;
  return changes;
}

Result<Changes> apply(const WireguardImage& image, const PrivateKey& key, const WireguardImage* previous) {
  if (std::ranges::find(image.peers, key.public_key(), &model::WireguardPeer::public_key) != image.peers.end()) {
    return Error(ErrorCode::invalid_input, fmt::format("the peer {} has this host's own key; every host needs its own",
                                                       to_base64(key.public_key())));
  }
  auto session = open_session(image.interface);
  if (!session) {
    return std::move(session.error());
  }
  const auto state = session->device.read(session->link.index);
  if (!state) {
    return state.error();
  }
  Changes changes;
  auto done = apply_device(*session, *state, image, key, changes);
  if (done) {
    done = apply_peers(*session, *state, image, previous, changes);
  }
  if (done) {
    done = apply_addresses(*session, image, changes);
  }
  if (done) {
    done = apply_link(*session, image, changes);
  }
  // Last: routes need the link up and their source addresses present.
  if (done) {
    done = apply_routes(*session, image, changes);
  }
  if (!done) {
    return std::move(done.error());
  }
  return changes;
}

Result<Status> status(const std::string& interface) {
  auto session = open_session(interface);
  if (!session) {
    return std::move(session.error());
  }
  const auto state = session->device.read(session->link.index);
  if (!state) {
    return state.error();
  }
  Status status{.interface_index = session->link.index,
                .public_key = state->public_key,
                .listen_port = state->listen_port,
                .peers = {}};
  for (const PeerState& peer : state->peers) {
    status.peers.push_back(
        {peer.public_key, peer.endpoint, peer.last_handshake_s, peer.received_bytes, peer.sent_bytes});
  }
  return status;
}

Result<void> remove_link(const std::string& interface) {
  auto links = Links::open();
  if (!links) {
    return std::move(links.error());
  }
  auto link = links->find(interface);
  if (!link && link.error().code() == ErrorCode::not_found) {
    return {};
  }
  if (!link) {
    return std::move(link.error());
  }
  if (link->kind != kKind) {
    return not_ours(interface, *link);
  }
  auto removed = links->remove(link->index);
  if (!removed && removed.error().sys_errno() != ENODEV) {
    return passed_on(removed, fmt::format("remove the interface {}", interface));
  }
  return {};
}

}  // namespace krait::wireguard
