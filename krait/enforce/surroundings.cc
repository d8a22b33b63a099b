#include "krait/enforce/surroundings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/netlink/network.h"
#include "krait/enforce/datapath_options.h"
#include "krait/enforce/fenced_links.h"
#include "krait/enforce/ways_behind.h"

namespace krait::enforce {

using common::Result;

namespace {

constexpr std::size_t kNamedFailures = 3;

std::vector<common::Prefix> prefixes_of(const std::vector<model::Route>& routes) {
  std::vector<common::Prefix> prefixes;
  std::ranges::transform(routes, std::back_inserter(prefixes), &model::Route::prefix);
  return prefixes;
}

std::vector<common::Prefix> prefixes_beyond(const model::Mesh& mesh) {
  std::vector<common::Prefix> prefixes;
  for (const model::Peer& peer : mesh.peers) {
    std::ranges::transform(peer.routes, std::back_inserter(prefixes), &model::Route::prefix);
  }
  return prefixes;
}

std::string name_of(std::uint32_t interface_index, const std::vector<netlink::Link>& links) {
  const auto link = std::ranges::find(links, interface_index, &netlink::Link::index);
  return link == links.end() ? fmt::format("link {}", interface_index) : link->name;
}

control::Fault unfenced(const std::string& name, const common::Error& error) {
  return {.what = fmt::format("{}: what comes in there with a peer's address is not kept out: {}", name, error.text()),
          .hint = fmt::format("see what else has TC programs there: tc filter show dev {} ingress", name)};
}

// A qdisc that cannot be looked at is left where it is.
bool has_filters(std::uint32_t interface_index) {
  auto network = netlink::Network::open();
  const auto filters = network ? network->filters(interface_index) : network.error();
  return !filters || !filters->empty();
}

control::Fault no_way(const common::Prefix& network) {
  return {.what = fmt::format("{} lies behind this host, but no route of its own leads there: its packets are dropped",
                              network.text()),
          .hint = fmt::format(
              "bring its link up, or: ip route add {} via ...; a default route does not count, nor one that "
              "a router advertised",
              network.text())};
}

}  // namespace

Result<void> remove_datapath(const std::string& interface, std::uint32_t interface_index) {
  return datapath::Datapath::remove(datapath_options(interface), interface_index, has_filters);
}

Result<bool> Surroundings::set_ways(datapath::Datapath& datapath, const model::Mesh& mesh,
                                    std::uint32_t interface_index) {
  const std::vector<common::Prefix> behind = prefixes_of(mesh.host.routes);
  const std::vector<common::Prefix> beyond = prefixes_beyond(mesh);
  WaysBehind found;
  if (!behind.empty() || !beyond.empty()) {
    auto network = netlink::Network::open();
    KRAIT_TRY(auto routes, network ? network->routes() : network.error());
    found = ways_behind({.behind = behind, .beyond = beyond}, routes, interface_index);
  }
  KRAIT_CHECK(datapath.set_ways_behind(found.ways));
  const bool changed = found.without_way != without_way_ || found.left_out != ways_left_out_;
  without_way_ = std::move(found.without_way);
  ways_left_out_ = found.left_out;
  return changed;
}

bool Surroundings::fence_off(datapath::Datapath& datapath, std::uint32_t interface_index) {
  const std::vector<control::Fault> former = std::exchange(unfenced_, {});
  auto network = netlink::Network::open();
  const auto links = network ? network->links() : network.error();
  if (!links) {
    unfenced_.push_back(
        {.what = "the fence on other interfaces cannot be seen to: " + links.error().text(), .hint = {}});
    return unfenced_ != former;
  }
  datapath::Outside wanted = fenced_links(*links, interface_index);
  const datapath::Fenced done = datapath.fence_off(wanted, has_filters);
  for (std::size_t i = 0; i < std::min(done.failures.size(), kNamedFailures); ++i) {
    unfenced_.push_back(unfenced(name_of(done.failures[i].interface_index, *links), done.failures[i].error));
  }
  if (done.failures.size() > kNamedFailures) {
    unfenced_.push_back(
        {.what = fmt::format("so it is on {} more interfaces", done.failures.size() - kNamedFailures), .hint = {}});
  }
  const std::size_t told = put_back_.size();
  for (const std::uint32_t index : done.put) {
    if (std::ranges::find(fenced_.interfaces, index) != fenced_.interfaces.end() ||
        std::ranges::find(fenced_.ports, index) != fenced_.ports.end()) {
      put_back_.push_back(name_of(index, *links));
    }
  }
  fenced_ = std::move(wanted);
  return put_back_.size() != told || unfenced_ != former;
}

void Surroundings::open_fence(datapath::Datapath& datapath) {
  datapath.fence_off({}, has_filters);
  fenced_ = {};
}

std::vector<std::string> Surroundings::take_put_back() { return std::exchange(put_back_, {}); }

std::vector<control::Fault> Surroundings::faults() const {
  std::vector<control::Fault> faults;
  std::ranges::transform(without_way_, std::back_inserter(faults), no_way);
  if (ways_left_out_ != 0) {
    faults.push_back({.what = fmt::format(
                          "{} routes into peers' networks are more than krait's table holds: what comes from there is "
                          "dropped",
                          ways_left_out_),
                      .hint = "give peers narrower `routes`"});
  }
  faults.insert(faults.end(), unfenced_.begin(), unfenced_.end());
  return faults;
}

}  // namespace krait::enforce
