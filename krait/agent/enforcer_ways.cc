// Where the networks behind this host are: its own routes, which the programs compare each packet's with.
#include <fmt/format.h>

#include "krait/agent/enforcer.h"
#include "krait/agent/ways_behind.h"
#include "krait/wireguard/network.h"

namespace krait::agent {

using common::Result;

Result<bool> Enforcer::set_ways(datapath::Datapath& datapath, const model::Host& host, std::uint32_t interface_index) {
  WaysBehind found;
  if (!host.routes.empty()) {
    std::vector<common::Prefix> networks;
    for (const model::Route& route : host.routes) {
      networks.push_back(route.prefix);
    }
    auto network = wireguard::Network::open();
    auto routes = network ? network->routes() : network.error();
    if (!routes) {
      return common::passed_on(routes, "look for the networks behind this host");
    }
    found = ways_behind(networks, *routes, interface_index);
  }
  if (auto set = datapath.set_ways_behind(found.ways); !set) {
    return set.error();
  }
  const bool changed = found.without_way != without_way_;
  without_way_ = std::move(found.without_way);
  return changed;
}

Result<bool> Enforcer::follow_routes() {
  if (plan_.mesh.host.routes.empty()) {
    return false;
  }
  return set_ways(datapath_, plan_.mesh.host, interface_index_);
}

void Enforcer::look_at_ways(Inspection& seen) const {
  for (const common::Prefix& network : without_way_) {
    seen.faults.push_back(
        {.what = fmt::format("{} lies behind this host, but no route of its own leads there: its packets are dropped",
                             network.text()),
         .mend = fmt::format("bring its link up, or: ip route add {} via ...; a default route does not count",
                             network.text())});
  }
}

}  // namespace krait::agent
