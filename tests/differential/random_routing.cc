#include "tests/differential/random_routing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace krait::differential {
namespace {

using Kind = naive::Route::Kind;

void add(naive::Routing& routing, const naive::Route& route) {
  const bool multicast =
      route.to.ip.family == common::Family::v6 && route.to.length != 0 && route.to.ip.bytes[0] == 0xff;
  const bool taken = std::any_of(routing.routes.begin(), routing.routes.end(),
                                 [&](const naive::Route& other) { return other.to == route.to; });
  if (!taken && !multicast) {
    routing.routes.push_back(route);
  }
}

void add_way(naive::Routing& routing, const naive::Way& way) {
  const bool taken = std::any_of(routing.ways.begin(), routing.ways.end(),
                                 [&](const naive::Way& other) { return other.part == way.part; });
  if (!taken) {
    routing.ways.push_back(way);
  }
}

// What a host's own table has from the start.
void add_kept(naive::Routing& routing) {
  for (const char* prefix : {"127.0.0.0/8", "::1/128", "ff00::/8"}) {
    routing.routes.push_back({*common::Prefix::parse(prefix), Kind::kept, kLoopback});
  }
}

// The route that the binding needs, if `chance` will have it.
void add_for(Random& random, const compile::Binding& binding, std::uint32_t chance, naive::Routing& routing) {
  if (!random.percent(chance)) {
    return;
  }
  if (!binding.local()) {
    return add(routing, {binding.prefix, Kind::interface, kGuarded});
  }
  if (!binding.routed) {
    return add(routing, {binding.prefix, Kind::kept, kLoopback});
  }
  const std::uint32_t interface = random.percent(60) ? kLan : kWan;
  add(routing, {binding.prefix, Kind::interface, interface});
  const std::uint32_t other = kLan + kWan - interface;
  if (random.percent(chance)) {
    std::vector<std::uint32_t> interfaces = {interface};
    if (random.percent(15)) {
      interfaces.push_back(other);
    }
    add_way(routing, {binding.prefix, binding.prefix, false, interfaces});
  } else if (random.percent(50)) {
    add_way(routing, {binding.prefix, binding.prefix, false, {other}});
  }
}

// Now and then an address in a network behind this host is the host's own, or a part of it lies elsewhere.
void add_parts(Random& random, const AddressPool& pool, const compile::Binding& binding, naive::Routing& routing) {
  if (!binding.local() || !binding.routed || !random.percent(50)) {
    return;
  }
  common::Prefix part = common::Prefix::host(pool.near(random, binding.prefix.ip.family));
  if (!binding.prefix.contains(part.ip)) {
    return;
  }
  if (random.percent(70)) {
    if (random.percent(90)) {
      add(routing, {part, Kind::kept, kLoopback});
    }
    return random.percent(90) ? add_way(routing, {part, binding.prefix, true, {}}) : void();
  }
  part.length =
      static_cast<std::uint8_t>(binding.prefix.length + random.below(part.length - binding.prefix.length + 1U));
  part = part.masked();
  const std::uint32_t interface = random.percent(50) ? kLan : kWan;
  add(routing, {part, Kind::interface, interface});
  if (random.percent(80)) {
    add_way(routing, {part, binding.prefix, false, {interface}});
  }
}

naive::Route stray(Random& random, const AddressPool& pool) {
  static const std::vector<std::uint32_t> kInterfaces = {kGuarded, kLan, kWan};
  const std::uint32_t kind = random.below(10);
  if (kind < 3) {
    const common::Family family = random.percent(60) ? common::Family::v4 : common::Family::v6;
    return {common::Prefix::host(pool.near(random, family)), Kind::kept, kLoopback};
  }
  return {random_prefix(random, pool), kind < 5 ? Kind::refused : Kind::interface, random.pick(kInterfaces)};
}

}  // namespace

naive::Routing random_routing(Random& random, const AddressPool& pool, const std::vector<Revision>& revisions) {
  naive::Routing routing;
  add_kept(routing);
  const bool in_order = random.percent(75);
  for (std::uint32_t i = in_order ? random.below(3) : random.below(12); i > 0; --i) {
    add(routing, stray(random, pool));
  }
  for (const Revision& revision : revisions) {
    for (const compile::Binding& binding : revision.bindings) {
      add_parts(random, pool, binding, routing);
      add_for(random, binding, in_order ? 92 : 60, routing);
    }
  }
  for (const char* all : {"0.0.0.0/0", "::/0"}) {
    if (random.percent(25)) {
      add(routing, {*common::Prefix::parse(all), random.percent(20) ? Kind::refused : Kind::interface,
                    random.percent(50) ? kWan : kGuarded});
    }
  }
  routing.forwards_v4 = random.percent(95);
  routing.forwards_v6 = random.percent(95);
  return routing;
}

std::string routing_text(const naive::Routing& routing) {
  std::string text = fmt::format("  forwarding: IPv4 {}, IPv6 {}\n", routing.forwards_v4, routing.forwards_v6);
  for (const naive::Route& route : routing.routes) {
    text += fmt::format("  route {} {}\n", route.to.text(),
                        route.kind == Kind::kept      ? "kept"
                        : route.kind == Kind::refused ? "refused"
                                                      : fmt::format("to interface {}", route.interface));
  }
  for (const naive::Way& way : routing.ways) {
    text += fmt::format("  way to {} of {}: {}\n", way.part.text(), way.network.text(),
                        way.is_own ? "the host's own" : fmt::format("interfaces {}", fmt::join(way.interfaces, ", ")));
  }
  return text;
}

}  // namespace krait::differential
