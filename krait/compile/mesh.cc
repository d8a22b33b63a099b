#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "krait/compile/compile.h"

namespace krait::compile {

namespace {

using Index = std::unordered_map<std::string_view, std::uint32_t>;

void bind_addresses(const std::vector<model::Address>& addresses, const Binding& whose,
                    std::vector<Binding>& bindings) {
  for (const model::Address& address : addresses) {
    bindings.push_back(whose);
    bindings.back().prefix = common::Prefix::host(address.ip);
  }
}

void bind_routes(const std::vector<model::Route>& routes, const Index& index, std::uint32_t host,
                 std::vector<Binding>& bindings) {
  for (const model::Route& route : routes) {
    bindings.push_back({route.prefix, index.at(route.identity.name), host, true});
  }
}

std::vector<common::Prefix> prefixes_of(const model::Peer& peer) {
  std::vector<common::Prefix> prefixes;
  prefixes.reserve(peer.addresses.size() + peer.routes.size());
  for (const model::Address& address : peer.addresses) {
    prefixes.push_back(common::Prefix::host(address.ip));
  }
  for (const model::Route& route : peer.routes) {
    prefixes.push_back(route.prefix);
  }
  std::ranges::sort(prefixes);
  return prefixes;
}

}  // namespace

std::vector<Binding> bindings_of(const model::Mesh& mesh, const model::Policy& policy) {
  Index index;
  for (std::uint32_t i = 0; i < policy.identities.size(); ++i) {
    index.emplace(policy.identities[i].name, i);
  }
  std::vector<Binding> bindings;
  bind_addresses(mesh.host.addresses, {.prefix = {}, .identity = index.at(mesh.host.identity.name)}, bindings);
  bind_routes(mesh.host.routes, index, 0, bindings);
  std::uint32_t host = 0;
  for (const model::Peer& peer : mesh.peers) {
    ++host;
    bind_addresses(peer.addresses, {.prefix = {}, .identity = index.at(peer.identity.name), .host = host}, bindings);
    bind_routes(peer.routes, index, host, bindings);
  }
  return bindings;
}

model::WireguardImage wireguard_image(const model::Mesh& mesh) {
  model::WireguardImage image{.interface = mesh.host.interface,
                              .listen_port = mesh.host.listen_port,
                              .addresses = {},
                              .routes = {},
                              .peers = {},
                              .is_network = mesh.is_network,
                              .pair_keys = mesh.pair_keys};
  for (const model::Address& address : mesh.host.addresses) {
    image.addresses.push_back(address.ip);
  }
  for (const model::Peer& peer : mesh.peers) {
    image.peers.push_back({.public_key = peer.public_key,
                           .endpoint = peer.endpoint,
                           .allowed_ips = prefixes_of(peer),
                           .next_public_key = peer.next_public_key,
                           .keepalive_s = peer.keepalive_s,
                           .preshared_key_file = peer.preshared_key_file,
                           .host_key = peer.host_key});
    image.routes.insert(image.routes.end(), image.peers.back().allowed_ips.begin(),
                        image.peers.back().allowed_ips.end());
  }
  std::ranges::sort(image.routes);
  std::ranges::sort(image.peers, {}, &model::WireguardPeer::public_key);
  return image;
}

}  // namespace krait::compile
