#include "krait/keeper/endpoint_names.h"

#include <algorithm>
#include <utility>

namespace krait::keeper {

namespace {

// A handshake of the future, from before the clock was set back, says nothing.
bool lives(const wireguard::PeerStatus& status, std::int64_t now_s) {
  return status.last_handshake_s > now_s - wireguard::kSessionLifeS && status.last_handshake_s <= now_s;
}

void add_prefixes(const model::Peer& peer, std::set<common::Prefix>& prefixes) {
  for (const model::Address& address : peer.addresses) {
    prefixes.insert(common::Prefix::host(address.ip));
  }
  for (const model::Route& route : peer.routes) {
    prefixes.insert(route.prefix);
  }
}

}  // namespace

void EndpointNames::configure(const model::Mesh& mesh) {
  const std::map<model::PublicKey, Peer> former = std::exchange(peers_, {});
  carried_.clear();
  for (const model::Peer& peer : mesh.peers) {
    if (!peer.named_endpoint) {
      continue;
    }
    for (const model::PublicKey& key : {peer.public_key, peer.next_public_key.value_or(peer.public_key)}) {
      const auto found = former.find(key);
      if (found != former.end() && found->second.named.endpoint == *peer.named_endpoint) {
        peers_.insert(*found);
      } else {
        peers_[key] = {.named = {*peer.named_endpoint, {}}, .changed = configured_};
      }
    }
  }
  configured_ = true;
  if (peers_.empty()) {
    return;
  }
  for (const model::Peer& peer : mesh.peers) {
    add_prefixes(peer, carried_);
  }
}

std::vector<std::string> EndpointNames::due(std::span<const wireguard::PeerStatus> peers, std::int64_t now_s) {
  std::set<std::string> names;
  for (const wireguard::PeerStatus& status : peers) {
    const auto found = peers_.find(status.public_key);
    if (found == peers_.end()) {
      continue;
    }
    Peer& peer = found->second;
    const bool calls = !peer.seen || peer.sent_bytes != status.sent_bytes;
    if (peer.changed || !status.endpoint || (calls && !lives(status, now_s))) {
      names.insert(peer.named.endpoint.name);
    }
    peer.seen = true;
    peer.sent_bytes = status.sent_bytes;
  }
  return {names.begin(), names.end()};
}

bool EndpointNames::is_carried(const common::Ip& ip) const {
  for (int length = ip.bits(); length >= 0; --length) {
    if (carried_.contains(common::Prefix{ip, static_cast<std::uint8_t>(length)}.masked())) {
      return true;
    }
  }
  return false;
}

bool EndpointNames::all_carried(std::span<const common::Ip> addresses) const {
  return std::ranges::all_of(addresses, [this](const common::Ip& ip) { return is_carried(ip); });
}

bool EndpointNames::wants(const Peer& peer, const wireguard::PeerStatus& status, std::int64_t now_s) {
  return peer.changed || !status.endpoint || !lives(status, now_s);
}

std::vector<wireguard::PeerEndpoint> EndpointNames::answered(const std::string& name,
                                                             std::span<const common::Ip> addresses,
                                                             std::span<const wireguard::PeerStatus> peers,
                                                             std::int64_t now_s) {
  const auto usable = std::ranges::find_if_not(addresses, [this](const common::Ip& ip) { return is_carried(ip); });
  if (usable == addresses.end()) {
    return {};
  }
  std::vector<wireguard::PeerEndpoint> endpoints;
  for (const wireguard::PeerStatus& status : peers) {
    const auto found = peers_.find(status.public_key);
    if (found == peers_.end() || found->second.named.endpoint.name != name) {
      continue;
    }
    Peer& peer = found->second;
    const bool wanted = wants(peer, status, now_s);
    peer.named.failure.clear();
    peer.changed = false;
    const std::uint16_t port = peer.named.endpoint.port;
    const bool holds = status.endpoint && status.endpoint->port == port && !is_carried(status.endpoint->ip) &&
                       std::ranges::find(addresses, status.endpoint->ip) != addresses.end();
    if (wanted && !holds) {
      endpoints.push_back({status.public_key, {*usable, port}});
    }
  }
  return endpoints;
}

bool EndpointNames::failed(const std::string& name, const std::string& why) {
  bool news = false;
  for (auto& [key, peer] : peers_) {
    if (peer.named.endpoint.name == name) {
      news = news || peer.named.failure != why;
      peer.named.failure = why;
    }
  }
  return news;
}

const EndpointNames::Named* EndpointNames::find(const model::PublicKey& peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : &found->second.named;
}

}  // namespace krait::keeper
