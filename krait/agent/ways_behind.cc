#include "krait/agent/ways_behind.h"

#include <algorithm>

namespace krait::agent {

namespace {

constexpr std::uint32_t kLocalTable = 255;  // RT_TABLE_LOCAL: what is the host's own

bool leads_into(const wireguard::NetworkRoute& route, const common::Prefix& network) {
  const common::Prefix& to = route.prefix;
  if (to.length >= network.length) {
    return network.contains(to.ip);
  }
  return route.connected && to.length != 0 && to.contains(network.ip);
}

}  // namespace

WaysBehind ways_behind(std::span<const common::Prefix> networks, std::span<const wireguard::NetworkRoute> routes,
                       std::uint32_t guarded_index) {
  WaysBehind found;
  for (const common::Prefix& network : networks) {
    const std::size_t before = found.ways.size();
    for (const wireguard::NetworkRoute& route : routes) {
      if (route.type != wireguard::RouteType::unicast || route.table == kLocalTable || !leads_into(route, network)) {
        continue;
      }
      for (const std::uint32_t link : route.links) {
        if (link != guarded_index) {
          found.ways.push_back({.network = network, .interface = link});
        }
      }
    }
    if (found.ways.size() == before) {
      found.without_way.push_back(network);
    }
  }
  std::ranges::sort(found.ways);
  const auto doubles = std::ranges::unique(found.ways);
  found.ways.erase(doubles.begin(), doubles.end());
  return found;
}

}  // namespace krait::agent
