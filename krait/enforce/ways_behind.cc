#include "krait/enforce/ways_behind.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "krait/abi/maps.h"

namespace krait::enforce {

namespace {

constexpr std::uint32_t kLocalTable = 255;  // RT_TABLE_LOCAL: what is the host's own

struct Way {
  datapath::WayBehind way;
  bool is_beyond = false;
};
using Found = std::map<common::Prefix, Way>;

bool holds(const common::Prefix& wide, const common::Prefix& narrow) {
  return wide.length <= narrow.length && wide.contains(narrow.ip);
}

bool is_own(const netlink::Route& route) {
  return route.type == netlink::RouteType::local && route.table == kLocalTable;
}

// All networks, found by what lies in them.
class Index {
 public:
  explicit Index(const Networks& networks) {
    for (const bool is_beyond : {false, true}) {
      for (const common::Prefix& network : is_beyond ? networks.beyond : networks.behind) {
        networks_.emplace(network.masked(), is_beyond);
        lengths_.insert(network.length);
      }
    }
  }

  struct Network {
    common::Prefix prefix;
    bool is_beyond = false;
  };
  // The narrowest that holds the prefix.
  [[nodiscard]] std::optional<Network> narrowest(const common::Prefix& prefix) const {
    for (auto length = lengths_.lower_bound(prefix.length); length != lengths_.end(); ++length) {
      const auto found = networks_.find(common::Prefix{prefix.ip, *length}.masked());
      if (found != networks_.end()) {
        return Network{found->first, found->second};
      }
    }
    return std::nullopt;
  }
  // Whether one lies between the wide prefix and this network, or is the wide one.
  [[nodiscard]] bool is_between(const common::Prefix& wide, const common::Prefix& network) const {
    const auto above =
        network.length == 0 ? std::nullopt : narrowest({network.ip, static_cast<std::uint8_t>(network.length - 1)});
    return above && above->prefix.length >= wide.length;
  }

 private:
  std::map<common::Prefix, bool> networks_;
  std::set<std::uint8_t, std::greater<>> lengths_;
};

// None where it proves nothing: whoever is on a link may announce that a network is there.
std::vector<std::uint32_t> links_of(const netlink::Route& route, std::uint32_t guarded_index) {
  std::vector<std::uint32_t> links;
  if (!is_own(route) && !route.announced) {
    std::ranges::copy_if(route.links(), std::back_inserter(links),
                         [&](std::uint32_t index) { return index != guarded_index; });
  }
  return links;
}

void add(const netlink::Route& route, const common::Prefix& prefix, const Index::Network& network,
         const std::vector<std::uint32_t>& links, Found& found) {
  Way& entry = found[prefix];
  entry.is_beyond = network.is_beyond;
  datapath::WayBehind& way = entry.way;
  way.prefix = prefix;
  way.network_length = network.prefix.length;
  way.is_own = way.is_own || is_own(route);
  way.interfaces.insert(way.interfaces.end(), links.begin(), links.end());
}

// Routes to the networks or to parts of them.
void add_narrow(std::span<const netlink::Route> routes, const Index& index, std::uint32_t guarded_index, Found& found) {
  for (const netlink::Route& route : routes) {
    const auto links = links_of(route, guarded_index);
    if (links.empty() ? !is_own(route) : route.type != netlink::RouteType::unicast) {
      continue;
    }
    const auto network = index.narrowest(route.prefix);
    if (network && !(network->is_beyond && is_own(route))) {
      add(route, route.prefix.masked(), *network, links, found);
    }
  }
}

// Connected networks that some of the networks behind this host are parts of.
void add_wide(const Networks& networks, std::span<const netlink::Route> routes, const Index& index,
              std::uint32_t guarded_index, Found& found) {
  for (const common::Prefix& network : networks.behind) {
    if (found.contains(network.masked())) {
      continue;
    }
    for (const netlink::Route& route : routes) {
      const bool is_wide = route.is_connected() && route.type == netlink::RouteType::unicast &&
                           route.prefix.length != 0 && route.prefix.length < network.length;
      const auto links = is_wide ? links_of(route, guarded_index) : std::vector<std::uint32_t>();
      if (!links.empty() && holds(route.prefix, network) && !index.is_between(route.prefix, network)) {
        add(route, network.masked(), {network, false}, links, found);
      }
    }
  }
}

void tidy(datapath::WayBehind& way) {
  std::ranges::sort(way.interfaces);
  const auto doubles = std::ranges::unique(way.interfaces);
  way.interfaces.erase(doubles.begin(), doubles.end());
  if (way.is_own) {
    way.interfaces.clear();
  }
}

}  // namespace

WaysBehind ways_behind(const Networks& networks, std::span<const netlink::Route> routes, std::uint32_t guarded_index) {
  const Index index(networks);
  Found found;
  add_narrow(routes, index, guarded_index, found);
  add_wide(networks, routes, index, guarded_index, found);
  const auto behind =
      static_cast<std::size_t>(std::ranges::count_if(found, [](const auto& entry) { return !entry.second.is_beyond; }));
  std::size_t room_beyond = KRAIT_WAYS - std::min<std::size_t>(behind, KRAIT_WAYS);
  WaysBehind result;
  std::set<common::Prefix> with_way;
  for (auto& [prefix, entry] : found) {
    tidy(entry.way);
    if (entry.is_beyond && room_beyond == 0) {
      ++result.left_out;
      continue;
    }
    room_beyond -= entry.is_beyond ? 1 : 0;
    if (!entry.way.is_own) {
      with_way.insert(common::Prefix{prefix.ip, entry.way.network_length}.masked());
    }
    result.ways.push_back(std::move(entry.way));
  }
  std::ranges::copy_if(networks.behind, std::back_inserter(result.without_way),
                       [&](const common::Prefix& network) { return !with_way.contains(network.masked()); });
  return result;
}

}  // namespace krait::enforce
