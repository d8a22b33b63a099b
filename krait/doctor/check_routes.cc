#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "krait/doctor/checks.h"

namespace krait::doctor {

using common::Family;
using common::Ip;
using common::Prefix;
using netlink::Route;
using netlink::RouteType;
using netlink::Rule;
using netlink::RuleAction;

namespace {

constexpr std::size_t kMaxOfAKind = 5;      // of one kind; a wrong route may hit every peer
constexpr std::uint32_t kLocalTable = 255;  // RT_TABLE_LOCAL, include/uapi/linux/rtnetlink.h
constexpr std::uint32_t kMainTable = 254;   // RT_TABLE_MAIN

// Where overlay packets of this host go.
std::vector<Prefix> overlay_of(const model::Mesh& mesh) {
  std::vector<Prefix> overlay;
  for (const model::Peer& peer : mesh.peers) {
    for (const model::Address& address : peer.addresses) {
      overlay.push_back(Prefix::host(address.ip));
    }
    for (const model::Route& route : peer.routes) {
      overlay.push_back(route.prefix);
    }
  }
  return overlay;
}

// A table in which the longest match is found: by length, then by prefix, the best metric only.
class Table {
 public:
  void add(const Route& route) {
    auto& place = by_length_[route.prefix.length][route.prefix.masked()];
    if (place == nullptr || route.metric < place->metric) {
      place = &route;
    }
  }
  // Longer than `suppressed`, when given.
  [[nodiscard]] const Route* match(const Ip& ip, std::optional<std::uint32_t> suppressed) const {
    for (auto length = by_length_.rbegin(); length != by_length_.rend(); ++length) {
      if (length->first > ip.bits() || (suppressed && length->first <= *suppressed)) {
        continue;
      }
      const auto found = length->second.find(Prefix{ip, length->first}.masked());
      if (found != length->second.end()) {
        return found->second;
      }
    }
    return nullptr;
  }

 private:
  std::map<std::uint8_t, std::map<Prefix, const Route*>> by_length_;
};

using Tables = std::map<std::pair<std::uint32_t, Family>, Table>;

Tables tables_of(const NetworkFacts& network) {
  Tables tables;
  for (const Route& route : network.routes) {
    tables[{route.table, route.prefix.ip.family}].add(route);
  }
  return tables;
}

std::string link_name(const NetworkFacts& network, std::uint32_t index) {
  const auto found = std::ranges::find(network.links, index, &netlink::Link::index);
  return found == network.links.end() ? fmt::format("link {}", index) : found->name;
}

std::string route_text(const NetworkFacts& network, const Route& route) {
  const std::string to = route.prefix.length == 0 ? "the default route" : "the route " + route.prefix.text();
  std::string text = route.type == RouteType::refused ? to + " (refused)"
                     : route.index == 0               ? to
                                                      : to + " through " + link_name(network, route.index);
  if (route.table == kLocalTable) {
    text += " (an address of this host)";
  } else if (route.table != kMainTable) {
    text += fmt::format(" of table {}", route.table);
  }
  return text;
}

std::string rule_text(const Rule& rule) {
  std::string text = fmt::format("the routing rule {}", rule.priority);
  if (rule.source && rule.source->length != 0) {
    text += " (from " + rule.source->text() + ")";
  }
  return text;
}

// Whether the rule looks at what a packet to `ip` of ours looks like.
enum class Concern : std::uint8_t { none, some, all };
Concern concern_of(const Rule& rule, const Ip& ip, const model::Host& host) {
  if (rule.family != ip.family) {
    return Concern::none;
  }
  if (rule.inverted || rule.narrowed) {
    return rule.destination && !rule.inverted && !rule.destination->contains(ip) ? Concern::none : Concern::some;
  }
  if (rule.destination && !rule.destination->contains(ip)) {
    return Concern::none;
  }
  if (!rule.source || rule.source->length == 0) {
    return Concern::all;
  }
  const bool from_us = std::ranges::any_of(
      host.addresses, [&](const model::Address& address) { return rule.source->contains(address.ip); });
  return from_us ? Concern::all : Concern::some;
}

struct Walk {
  const Facts& facts;
  Tables tables;
  std::uint32_t own_index;
  std::set<std::string> problems;
  std::set<std::string> warnings;
};

// Follows the rules for a packet to `ip`, as the kernel does, and notes what leads it elsewhere.
void walk(Walk& state, const Prefix& overlay) {
  const NetworkFacts& network = state.facts.network;
  for (const Rule& rule : network.rules) {
    const Concern concern = concern_of(rule, overlay.ip, state.facts.config.mesh->host);
    if (concern == Concern::none || rule.action == RuleAction::other) {
      continue;
    }
    if (rule.action == RuleAction::refuse) {
      (concern == Concern::all ? state.problems : state.warnings)
          .insert(fmt::format("{} refuses {}", rule_text(rule), overlay.text()));
      if (concern == Concern::all) {
        return;
      }
      continue;
    }
    const auto table = state.tables.find({rule.table, overlay.ip.family});
    const Route* route =
        table == state.tables.end() ? nullptr : table->second.match(overlay.ip, rule.suppressed_length);
    if (route == nullptr || route->type == RouteType::elsewhere) {
      continue;
    }
    if (route->index == state.own_index && route->type == RouteType::unicast) {
      if (concern == Concern::all) {
        return;
      }
      continue;
    }
    const bool is_rule = rule.table != kMainTable && rule.table != kLocalTable;
    const std::string who = (is_rule ? rule_text(rule) + " and " : "") + route_text(network, *route);
    (concern == Concern::all ? state.problems : state.warnings)
        .insert(fmt::format("{} {} {} instead of {}", who, concern == Concern::all ? "takes" : "may take",
                            overlay.text(), state.facts.interface));
    if (concern == Concern::all) {
      return;
    }
  }
}

// Routes of others inside the networks behind our peers.
void find_inner_routes(Walk& state, const std::vector<Prefix>& overlay) {
  for (const Route& route : state.facts.network.routes) {
    if (route.table != kMainTable || route.index == state.own_index || route.type != RouteType::unicast) {
      continue;
    }
    for (const Prefix& network : overlay) {
      if (route.prefix.length > network.length && network.contains(route.prefix.ip)) {
        state.problems.insert(fmt::format("{} takes a part of {}, which is behind a peer",
                                          route_text(state.facts.network, route), network.text()));
      }
    }
  }
}

void report(const std::set<std::string>& texts, Grade grade, const char* name, const char* hint, Findings& findings) {
  std::size_t shown = 0;
  for (const std::string& text : texts) {
    if (++shown > kMaxOfAKind) {
      findings.push_back({name, grade, fmt::format("and {} more of this kind", texts.size() - kMaxOfAKind), ""});
      return;
    }
    findings.push_back({name, grade, text, hint});
  }
}

}  // namespace

Findings check_endpoints(const Facts& facts) {
  if (!facts.config.mesh) {
    return {{"endpoints", Grade::skipped, "the configuration does not say which there are", ""}};
  }
  Findings findings;
  std::set<std::string> into_tunnel;
  std::set<std::string> unreachable;
  for (const EndpointFacts& endpoint : facts.network.endpoints) {
    const std::string text = fmt::format("{} ({})", endpoint.endpoint.text(), endpoint.peer);
    if (!endpoint.way.reachable) {
      unreachable.insert("there is no route to the endpoint " + text);
    } else if (facts.link.link && endpoint.way.index == facts.link.link->index) {
      into_tunnel.insert(fmt::format("the endpoint {} would be reached through {} itself", text, facts.interface));
    }
  }
  report(into_tunnel, Grade::problem, "endpoints",
         "give the endpoint a route of its own through the underlay: ip route add ENDPOINT via GATEWAY", findings);
  report(unreachable, Grade::problem, "endpoints",
         "ip route get ENDPOINT; give this host a route, or correct the endpoint", findings);
  if (findings.empty()) {
    findings.push_back({"endpoints", Grade::ok,
                        facts.network.endpoints.empty()
                            ? "no peer has one: they call this host"
                            : fmt::format("there is a route to all {}", facts.network.endpoints.size()),
                        ""});
  }
  return findings;
}

Findings check_addresses(const Facts& facts) {
  if (!facts.config.mesh) {
    return {{"addresses", Grade::skipped, "the configuration does not say which there are", ""}};
  }
  const std::uint32_t own_index = facts.link.link ? facts.link.link->index : 0;
  const std::vector<Prefix> overlay = overlay_of(*facts.config.mesh);
  std::set<std::string> twice;
  std::set<std::string> overlaps;
  for (const netlink::Address& address : facts.network.addresses) {
    const std::string link = link_name(facts.network, address.index);
    if (address.index == own_index) {
      continue;
    }
    for (const model::Address& own : facts.config.mesh->host.addresses) {
      if (address.prefix.ip == own.ip) {
        twice.insert(fmt::format("{} has the overlay address {} of this host too", link, own.ip.text()));
      }
    }
    for (const Prefix& prefix : overlay) {
      if (address.prefix.length != address.prefix.ip.bits() && address.prefix.masked().contains(prefix.ip)) {
        overlaps.insert(
            fmt::format("the network {} of {} holds overlay addresses, such as {}: its hosts of the same "
                        "addresses cannot be reached",
                        address.prefix.masked().text(), link, prefix.ip.text()));
        break;
      }
      if (prefix.contains(address.prefix.ip)) {
        overlaps.insert(fmt::format("{} has the address {}, which {} behind a peer contains", link,
                                    address.prefix.ip.text(), prefix.text()));
      }
    }
  }
  Findings findings;
  report(twice, Grade::problem, "addresses", "remove it there: an address is krait's or another's", findings);
  report(overlaps, Grade::warning, "addresses", "give the overlay addresses that no network here uses", findings);
  if (findings.empty()) {
    findings.push_back({"addresses", Grade::ok, "no other interface shares the overlay's", ""});
  }
  return findings;
}

Findings check_routes(const Facts& facts) {
  if (!facts.config.mesh) {
    return {{"routes", Grade::skipped, "the configuration does not say which there are", ""}};
  }
  if (!facts.link.link) {
    return {{"routes", Grade::skipped, "there is no interface to lead to", ""}};
  }
  Walk state{facts, tables_of(facts.network), facts.link.link->index, {}, {}};
  const std::vector<Prefix> overlay = overlay_of(*facts.config.mesh);
  for (const Prefix& prefix : overlay) {
    walk(state, prefix);
  }
  find_inner_routes(state, overlay);
  Findings findings;
  report(state.problems, Grade::problem, "routes",
         "ip rule, ip route show table all; remove the route or the rule, or give it another network", findings);
  report(state.warnings, Grade::warning, "routes",
         "put an exception before it: ip rule add to OVERLAY lookup main priority 1", findings);
  if (findings.empty()) {
    findings.push_back(
        {"routes", Grade::ok,
         fmt::format("all {} overlay addresses and networks lead to {}", overlay.size(), facts.interface), ""});
  }
  return findings;
}

}  // namespace krait::doctor
