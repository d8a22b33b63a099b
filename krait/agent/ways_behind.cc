#include "krait/agent/ways_behind.h"

#include <algorithm>
#include <map>
#include <utility>

namespace krait::agent {

namespace {

constexpr std::uint32_t kLocalTable = 255;  // RT_TABLE_LOCAL: what is the host's own

using Networks = std::span<const common::Prefix>;
using Found = std::map<common::Prefix, datapath::WayBehind>;

bool holds(const common::Prefix& wide, const common::Prefix& narrow) {
  return wide.length <= narrow.length && wide.contains(narrow.ip);
}

bool is_own(const wireguard::NetworkRoute& route) {
  return route.type == wireguard::RouteType::local && route.table == kLocalTable;
}

// The narrowest of the networks that holds the prefix.
const common::Prefix* network_of(const common::Prefix& prefix, Networks networks) {
  const common::Prefix* best = nullptr;
  for (const common::Prefix& network : networks) {
    if (holds(network, prefix) && (best == nullptr || network.length > best->length)) {
      best = &network;
    }
  }
  return best;
}

// Whether another of the networks lies between the wide prefix and this network, or is the wide one.
bool is_between(const common::Prefix& wide, const common::Prefix& network, Networks networks) {
  return std::ranges::any_of(networks, [&](const common::Prefix& other) {
    return other.length < network.length && holds(wide, other) && holds(other, network);
  });
}

void add(const wireguard::NetworkRoute& route, const common::Prefix& prefix, const common::Prefix& network,
         std::uint32_t guarded_index, Found& found) {
  std::vector<std::uint32_t> links = is_own(route) ? std::vector<std::uint32_t>() : route.links;
  std::erase(links, guarded_index);
  if (links.empty() && !is_own(route)) {
    return;
  }
  datapath::WayBehind& way = found[prefix];
  way.prefix = prefix;
  way.network_length = network.length;
  way.is_own = way.is_own || is_own(route);
  way.interfaces.insert(way.interfaces.end(), links.begin(), links.end());
}

// Routes to the networks or to parts of them.
void add_narrow(std::span<const wireguard::NetworkRoute> routes, Networks networks, std::uint32_t guarded_index,
                Found& found) {
  for (const wireguard::NetworkRoute& route : routes) {
    const common::Prefix* network = network_of(route.prefix, networks);
    if (network != nullptr && (is_own(route) || route.type == wireguard::RouteType::unicast)) {
      add(route, route.prefix.masked(), *network, guarded_index, found);
    }
  }
}

// Connected networks that some of the networks are parts of.
void add_wide(std::span<const wireguard::NetworkRoute> routes, Networks networks, std::uint32_t guarded_index,
              Found& found) {
  for (const common::Prefix& network : networks) {
    if (found.contains(network.masked())) {
      continue;
    }
    for (const wireguard::NetworkRoute& route : routes) {
      const bool is_wide = route.connected && route.type == wireguard::RouteType::unicast && route.prefix.length != 0 &&
                           route.prefix.length < network.length;
      if (is_wide && holds(route.prefix, network) && !is_between(route.prefix, network, networks)) {
        add(route, network.masked(), network, guarded_index, found);
      }
    }
  }
}

}  // namespace

WaysBehind ways_behind(std::span<const common::Prefix> networks, std::span<const wireguard::NetworkRoute> routes,
                       std::uint32_t guarded_index) {
  Found found;
  add_narrow(routes, networks, guarded_index, found);
  add_wide(routes, networks, guarded_index, found);
  WaysBehind result;
  for (auto& [prefix, way] : found) {
    std::ranges::sort(way.interfaces);
    const auto doubles = std::ranges::unique(way.interfaces);
    way.interfaces.erase(doubles.begin(), doubles.end());
    if (way.is_own) {
      way.interfaces.clear();
    }
    result.ways.push_back(std::move(way));
  }
  for (const common::Prefix& network : networks) {
    const bool has_way = std::ranges::any_of(result.ways, [&](const datapath::WayBehind& way) {
      return !way.is_own && way.network_length == network.length && holds(network, way.prefix);
    });
    if (!has_way) {
      result.without_way.push_back(network);
    }
  }
  return result;
}

}  // namespace krait::agent
