#include "krait/wireguard/link_sync.h"

#include <fmt/format.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krait/wireguard/sync.h"

namespace krait::wireguard {

using common::Error;
using common::ErrorCode;
using common::Family;
using common::Result;
using model::WireguardImage;
using netlink::Address;
using netlink::LinkRoute;
using netlink::RouteChange;

namespace {

Result<void> add_address(const Interface& at, const std::string& interface, const common::Ip& ip) {
  auto added = at.links.add_address(at.link.index, ip);
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

Result<void> remove_addresses(const Interface& at, const std::string& interface, const std::vector<Address>& addresses,
                              Changes& changes) {
  for (const Address& address : addresses) {
    if (auto removed = at.links.remove_address(at.link.index, address); !removed) {
      return passed_on(removed, fmt::format("remove the address {} from {}", address.prefix.text(), interface));
    }
    ++changes.addresses;
  }
  return {};
}

Result<void> apply_addresses(const Interface& at, const WireguardImage& image, Changes& changes) {
  const auto present = at.network.addresses(at.link.index);
  if (!present) {
    return present.error();
  }
  const AddressPlan plan = plan_addresses(*present, image.addresses);
  if (auto removed = remove_addresses(at, image.interface, plan.remove_first, changes); !removed) {
    return removed;
  }
  for (const common::Ip& ip : plan.add) {
    if (auto added = add_address(at, image.interface, ip); !added) {
      return added;
    }
    ++changes.addresses;
  }
  return remove_addresses(at, image.interface, plan.remove, changes);
}

Result<RoutePlan> plan_routes(const Interface& at, const WireguardImage& image) {
  RoutePlan plan;
  for (const Family family : {Family::v4, Family::v6}) {
    std::optional<RoutePlanner> planner;
    auto read = at.network.routes(
        at.link.index, family, [&] { planner.emplace(image, family); },
        [&](const LinkRoute& route) { planner->add(route); });
    if (!read) {
      return std::move(read.error());
    }
    planner->finish(plan);
  }
  return plan;
}

Result<void> apply_routes(const Interface& at, const WireguardImage& image, Changes& changes) {
  const auto plan = plan_routes(at, image);
  if (!plan) {
    return plan.error();
  }
  for (const auto& [how, routes] :
       {std::pair(RouteChange::remove, &plan->remove), std::pair(RouteChange::replace, &plan->replace),
        std::pair(RouteChange::add, &plan->add)}) {
    if (auto done = at.links.change_routes(at.link.index, how, *routes); !done) {
      return done;
    }
    changes.routes += static_cast<std::uint32_t>(routes->size());
  }
  return {};
}

Result<void> apply_up(const Interface& at, const WireguardImage& image, Changes& changes) {
  if (at.link.up) {
    return {};
  }
  if (auto set = at.links.set_up(at.link.index); !set) {
    return passed_on(set, fmt::format("bring {} up", image.interface));
  }
  changes.device = true;
  return {};
}

}  // namespace

Result<bool> is_applied(const Interface& at, const WireguardImage& image) {
  const auto addresses = at.network.addresses(at.link.index);
  if (!addresses) {
    return addresses.error();
  }
  const auto route_plan = plan_routes(at, image);
  if (!route_plan) {
    return route_plan.error();
  }
  const AddressPlan address_plan = plan_addresses(*addresses, image.addresses);
  return at.link.up && address_plan.remove_first.empty() && address_plan.add.empty() && address_plan.remove.empty() &&
         route_plan->remove.empty() && route_plan->replace.empty() && route_plan->add.empty();
}

Result<void> apply_link(const Interface& at, const WireguardImage& image, Changes& changes) {
  // Routes last, for they need the link up and their source addresses present.
  for (const auto step : {apply_addresses, apply_up, apply_routes}) {
    if (auto done = step(at, image, changes); !done) {
      return done;
    }
  }
  return {};
}

}  // namespace krait::wireguard
