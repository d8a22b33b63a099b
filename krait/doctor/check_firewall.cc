#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "krait/abi/selector.h"
#include "krait/config/ports.h"
#include "krait/doctor/checks.h"
#include "krait/doctor/dropped_by.h"
#include "krait/doctor/firewall_owner.h"

namespace krait::doctor {

using common::Family;
using common::Ip;

namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::size_t kMaxDropsShown = 3;

// The names of the links over which peers are reached; one that is not known when there is none.
std::set<std::string> underlays(const Facts& facts) {
  std::set<std::string> names;
  for (const EndpointFacts& endpoint : facts.network.endpoints) {
    const auto link = std::ranges::find(facts.network.links, endpoint.way.index, &netlink::Link::index);
    if (endpoint.way.reachable && link != facts.network.links.end() && link->name != facts.interface) {
      names.insert(link->name);
    }
  }
  return names.empty() ? std::set<std::string>{""} : names;
}

std::set<Family> endpoint_families(const Facts& facts) {
  std::set<Family> families;
  for (const EndpointFacts& endpoint : facts.network.endpoints) {
    families.insert(endpoint.endpoint.ip.family);
  }
  return families.empty() ? std::set{Family::v4} : families;
}

// Empty: the rules can be looked at.
Findings unreadable(const Facts& facts, const char* name) {
  if (!facts.firewall.ruleset) {
    const std::string why = facts.firewall.error.empty() ? "the rules were not read" : facts.firewall.error;
    return {{name, Grade::skipped, why, "run krait doctor as root"}};
  }
  return {};
}

// The packet that a selector of the policy stands for; none for one that no firewall here would tell apart.
std::optional<Packet> packet_of(std::uint32_t selector) {
  Packet packet;
  if (selector < KRAIT_SELECTOR_SCTP) {
    packet.protocol = selector < KRAIT_SELECTOR_UDP ? kTcp : kUdp;
    packet.port = static_cast<std::uint16_t>(selector % KRAIT_SELECTOR_UDP);
    return packet;
  }
  if (selector >= KRAIT_SELECTOR_ICMP && selector < KRAIT_SELECTOR_PROTO) {
    const bool v4 = selector < KRAIT_SELECTOR_ICMPV6;
    packet.family = v4 ? Family::v4 : Family::v6;
    packet.protocol = v4 ? kIcmp : kIcmpv6;
    packet.icmp_type = static_cast<std::uint8_t>(selector - (v4 ? KRAIT_SELECTOR_ICMP : KRAIT_SELECTOR_ICMPV6));
    return packet;
  }
  return std::nullopt;
}

// The last selector of each protocol that the range reaches into: of a whole range of ports the one that nobody would
// open by itself.
std::vector<std::uint32_t> samples_of(const model::SelectorRange& range) {
  constexpr std::array<std::uint32_t, 5> kEnds{KRAIT_SELECTOR_UDP, KRAIT_SELECTOR_SCTP, KRAIT_SELECTOR_ICMP,
                                               KRAIT_SELECTOR_ICMPV6, KRAIT_SELECTOR_PROTO};
  std::vector<std::uint32_t> samples;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : kEnds) {
    if (range.first < end && range.last >= begin) {
      samples.push_back(std::min(range.last, end - 1));
    }
    begin = end;
  }
  return samples;
}

// What the policy lets others open to this host.
std::set<std::uint32_t> open_selectors(const model::Mesh& mesh, const model::Policy& policy) {
  const auto own = std::ranges::find(policy.identities, mesh.host.identity.name, &model::Identity::name);
  std::set<std::uint32_t> samples;
  for (const model::Rule& rule : policy.rules) {
    const bool to_us =
        rule.to.any ||
        std::ranges::binary_search(rule.to.identities, static_cast<std::uint32_t>(own - policy.identities.begin()));
    if (rule.action != model::Action::allow || !to_us) {
      continue;
    }
    for (const model::SelectorRange& range : rule.selectors) {
      const auto of_range = samples_of(range);
      samples.insert(of_range.begin(), of_range.end());
    }
  }
  return samples;
}

// The link behind which a network is, by the longest route; empty: not known.
std::string link_towards(const Facts& facts, const Ip& ip) {
  const netlink::Route* best = nullptr;
  for (const netlink::Route& route : facts.network.routes) {
    if (route.type == netlink::RouteType::unicast && route.prefix.contains(ip) &&
        (best == nullptr || route.prefix.length > best->prefix.length)) {
      best = &route;
    }
  }
  const auto link = best == nullptr ? facts.network.links.end()
                                    : std::ranges::find(facts.network.links, best->index, &netlink::Link::index);
  return link == facts.network.links.end() ? "" : link->name;
}

}  // namespace

Findings check_firewall_port(const Facts& facts) {
  constexpr const char* kName = "firewall: port";
  if (Findings findings = unreadable(facts, kName); !findings.empty()) {
    return findings;
  }
  if (!facts.config.mesh) {
    return {{kName, Grade::skipped, "the configuration does not say which port it is", ""}};
  }
  if (facts.agent.mode == "guard" && !facts.link.listen_port) {
    return {{kName, Grade::skipped, "krait only guards the interface, which has no port", ""}};
  }
  const std::uint16_t port = facts.link.listen_port.value_or(facts.config.mesh->host.listen_port);
  for (const Family family : endpoint_families(facts)) {
    for (const std::string& underlay : underlays(facts)) {
      const Packet packet{.family = family,
                          .protocol = kUdp,
                          .port = port,
                          .icmp_type = {},
                          .source = {},
                          .destination = {},
                          .in = underlay,
                          .out = {}};
      if (const Chain* chain = dropped_by(*facts.firewall.ruleset, packet, "input")) {
        const Owner owner = owner_of(*facts.firewall.ruleset, *chain);
        return {{kName, Grade::problem,
                 fmt::format("{} drops what comes for UDP port {}{}: no peer can call this host",
                             chain_text(owner, *chain), port, underlay.empty() ? "" : " on " + underlay),
                 firewall_hint(owner, *chain, Purpose::port, {.port = port, .interface = {}})}};
      }
    }
  }
  if (facts.firewall.legacy_tables.value_or(false)) {
    return {{kName, Grade::warning, "iptables-legacy has rules, which krait doctor cannot read",
             fmt::format("iptables-legacy -S; it must accept UDP port {}", port)}};
  }
  return {{kName, Grade::ok, fmt::format("nothing drops what comes for UDP port {}", port), ""}};
}

Findings check_firewall_input(const Facts& facts) {
  constexpr const char* kName = "firewall: input";
  if (Findings findings = unreadable(facts, kName); !findings.empty()) {
    return findings;
  }
  if (!facts.config.mesh || !facts.config.policy) {
    return {{kName, Grade::skipped, "the configuration does not say what is open", ""}};
  }
  Findings findings;
  for (const std::uint32_t selector : open_selectors(*facts.config.mesh, *facts.config.policy)) {
    auto packet = packet_of(selector);
    if (!packet || findings.size() >= kMaxDropsShown) {
      continue;
    }
    packet->in = facts.interface;
    const bool icmp = packet->protocol == kIcmp || packet->protocol == kIcmpv6;
    std::set<Family> families;
    for (const model::Address& address : facts.config.mesh->host.addresses) {
      if (!icmp || address.ip.family == packet->family) {
        families.insert(address.ip.family);
      }
    }
    for (const Family family : families) {
      packet->family = family;
      if (const Chain* chain = dropped_by(*facts.firewall.ruleset, *packet, "input")) {
        const Owner owner = owner_of(*facts.firewall.ruleset, *chain);
        findings.push_back(
            {kName, Grade::warning,
             fmt::format("the policy lets {} in, but {} drops it behind {}",
                         config::selector_text({selector, selector}), chain_text(owner, *chain), facts.interface),
             firewall_hint(owner, *chain, Purpose::input, {.port = 0, .interface = facts.interface})});
        break;
      }
    }
  }
  if (findings.empty()) {
    findings.push_back({kName, Grade::ok, "nothing drops what the policy lets in", ""});
  }
  return findings;
}

Findings check_firewall_forward(const Facts& facts) {
  constexpr const char* kName = "firewall: forward";
  if (!facts.config.mesh) {
    return {{kName, Grade::skipped, "the configuration does not say what is behind this host", ""}};
  }
  if (facts.config.mesh->host.routes.empty()) {
    return {{kName, Grade::ok, "not needed: no network is routed behind this host", ""}};
  }
  if (Findings findings = unreadable(facts, kName); !findings.empty()) {
    return findings;
  }
  for (const model::Route& route : facts.config.mesh->host.routes) {
    Packet packet{.family = route.prefix.ip.family,
                  .protocol = kTcp,
                  .port = {},
                  .icmp_type = {},
                  .source = {},
                  .destination = route.prefix.ip,
                  .in = facts.interface,
                  .out = link_towards(facts, route.prefix.ip)};
    for (int way = 0; way < 2; ++way) {
      if (const Chain* chain = dropped_by(*facts.firewall.ruleset, packet, "forward")) {
        const Owner owner = owner_of(*facts.firewall.ruleset, *chain);
        return {{kName, Grade::problem,
                 fmt::format("{} drops what is forwarded {} {}, which is behind this host", chain_text(owner, *chain),
                             way == 0 ? "to" : "from", route.prefix.text()),
                 firewall_hint(owner, *chain, Purpose::forward, {.port = 0, .interface = facts.interface})}};
      }
      std::swap(packet.in, packet.out);
      packet.source = route.prefix.ip;
      packet.destination = {};
    }
  }
  return {{kName, Grade::ok, "nothing drops what is forwarded to the networks behind this host", ""}};
}

}  // namespace krait::doctor
