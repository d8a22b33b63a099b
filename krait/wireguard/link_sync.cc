#include "krait/wireguard/link_sync.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "krait/wireguard/sync.h"

namespace krait::wireguard {

using common::Family;
using common::Result;
using model::WireguardImage;
using netlink::Address;
using netlink::LinkRoute;
using netlink::RouteChange;

namespace {

constexpr std::size_t kNamedRoutes = 3;

void note(Changes& changes, const common::Error& error, std::string hint) {
  changes.refused.push_back({.what = error.text(), .hint = std::move(hint)});
}

// False: refused.
bool add_address(const Interface& at, const WireguardImage& image, const common::Ip& ip, Changes& changes) {
  auto added = at.links.add_address(at.link.index, ip);
  if (added) {
    ++changes.addresses;
    return true;
  }
  const bool is_off = added.error().sys_errno() == EACCES && ip.family == Family::v6;
  const std::string what = fmt::format("add the address {} to {}", ip.text(), image.interface);
  if (is_off) {
    changes.refused.push_back({.what = what + ": IPv6 is switched off",
                               .hint = fmt::format("sysctl net.ipv6.conf.{}.disable_ipv6=0", image.interface)});
  } else {
    note(changes, std::move(added.error()).with_context(what), "");
  }
  return false;
}

void remove_addresses(const Interface& at, const std::string& interface, const std::vector<Address>& addresses,
                      Changes& changes) {
  for (const Address& address : addresses) {
    if (auto removed = at.links.remove_address(at.link.index, address); !removed) {
      const std::string what = fmt::format("remove the address {} from {}", address.prefix.text(), interface);
      note(changes, std::move(removed.error()).with_context(what),
           fmt::format("ip address del {} dev {}", address.prefix.text(), interface));
    } else {
      ++changes.addresses;
    }
  }
}

// The families that lack an address of the image.
using Lacking = std::set<Family>;

Result<Lacking> apply_addresses(const Interface& at, const WireguardImage& image, Changes& changes) {
  KRAIT_TRY(const auto present, at.network.addresses(at.link.index));
  const AddressPlan plan = plan_addresses(present, image.addresses);
  Lacking lacking;
  remove_addresses(at, image.interface, plan.remove_first, changes);
  for (const common::Ip& ip : plan.add) {
    if (!add_address(at, image, ip, changes)) {
      lacking.insert(ip.family);
    }
  }
  remove_addresses(at, image.interface, plan.remove, changes);
  return lacking;
}

Result<RoutePlan> plan_routes(const Interface& at, const WireguardImage& image) {
  RoutePlan plan;
  for (const Family family : {Family::v4, Family::v6}) {
    std::optional<RoutePlanner> planner;
    KRAIT_CHECK(at.network.routes(
        at.link.index, family, [&] { planner.emplace(image, family); },
        [&](const LinkRoute& route) { planner->add(route); }));
    planner->finish(plan);
  }
  return plan;
}

// False: refused, and noted.
bool apply_up(const Interface& at, const WireguardImage& image, Changes& changes) {
  if (at.link.up) {
    return true;
  }
  auto set = at.links.set_up(at.link.index);
  if (set) {
    changes.device = true;
    return true;
  }
  if (set.error().sys_errno() == EADDRINUSE) {
    changes.refused.push_back(port_taken(image));
  } else {
    note(changes, std::move(set.error()).with_context(fmt::format("bring {} up", image.interface)), "");
  }
  return false;
}

void note_routes(const std::vector<common::Error>& refused, Changes& changes) {
  for (std::size_t i = 0; i < std::min(refused.size(), kNamedRoutes); ++i) {
    note(changes, refused[i],
         refused[i].sys_errno() == EEXIST ? "remove that route, or take the prefix from the file" : "");
  }
  if (refused.size() > kNamedRoutes) {
    changes.refused.push_back(
        {.what = fmt::format("so it is with {} more routes", refused.size() - kNamedRoutes), .hint = {}});
  }
}

Result<void> apply_routes(const Interface& at, const WireguardImage& image, const Lacking& lacking, Changes& changes) {
  KRAIT_TRY(auto plan, plan_routes(at, image));
  std::vector<common::Error> refused;
  for (const auto& [how, routes] :
       {std::pair(RouteChange::remove, &plan.remove), std::pair(RouteChange::replace, &plan.replace),
        std::pair(RouteChange::add, &plan.add)}) {
    if (how != RouteChange::remove) {
      std::erase_if(*routes, [&](const LinkRoute& route) { return lacking.contains(route.prefix.ip.family); });
    }
    KRAIT_TRY(auto changed, at.links.change_routes(at.link.index, how, *routes));
    changes.routes += static_cast<std::uint32_t>(routes->size() - changed.size());
    std::ranges::move(changed, std::back_inserter(refused));
  }
  note_routes(refused, changes);
  return {};
}

}  // namespace

Refusal port_taken(const WireguardImage& image) {
  return {.what = fmt::format("{}: UDP port {} is taken", image.interface, image.listen_port),
          .hint = "choose another listen_port or stop the program that holds it"};
}

Result<bool> is_applied(const Interface& at, const WireguardImage& image) {
  KRAIT_TRY(const auto addresses, at.network.addresses(at.link.index));
  KRAIT_TRY(const auto route_plan, plan_routes(at, image));
  const AddressPlan address_plan = plan_addresses(addresses, image.addresses);
  return at.link.up && address_plan.remove_first.empty() && address_plan.add.empty() && address_plan.remove.empty() &&
         route_plan.remove.empty() && route_plan.replace.empty() && route_plan.add.empty();
}

Result<void> apply_link(const Interface& at, const WireguardImage& image, Changes& changes) {
  KRAIT_TRY(auto lacking, apply_addresses(at, image, changes));
  return apply_up(at, image, changes) ? apply_routes(at, image, lacking, changes) : Result<void>();
}

}  // namespace krait::wireguard
