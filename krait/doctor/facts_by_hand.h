// A host on which all is well, for tests to break one thing of.
#pragma once

#include <algorithm>
#include <string>

#include "krait/doctor/checks.h"

namespace krait::doctor {

inline common::Ip ip(const char* text) { return *common::Ip::parse(text); }
inline common::Prefix prefix(const char* text) { return *common::Prefix::parse(text); }

inline constexpr std::uint32_t kEth0 = 2;
inline constexpr std::uint32_t kWg0 = 3;
inline constexpr std::uint64_t kAgentCapabilities = 1ULL << 12U | 1ULL << 38U | 1ULL << 39U;

// db at 10.90.0.2 with the network 10.30.0.0/24 behind it; web at 10.90.0.1, with 10.20.0.0/16 behind it.
inline model::Mesh mesh_by_hand() {
  model::Mesh mesh{.file = "/etc/krait/krait.toml", .digest = {}, .host = {}, .peers = {}, .limits = {}};
  mesh.host.name = "db";
  mesh.host.identity.name = "db";
  mesh.host.addresses = {{ip("10.90.0.2"), {}}};
  mesh.host.routes = {{prefix("10.30.0.0/24"), {"lan", {}}, {}}};
  mesh.host.private_key_file = "/var/lib/krait/host.key";
  mesh.host.interface = "wg0";
  mesh.host.policy_file = "/etc/krait/policy.toml";
  model::Peer web;
  web.name = "web";
  web.identity.name = "web";
  web.endpoint = common::Endpoint::parse("192.0.2.1:51820");
  web.addresses = {{ip("10.90.0.1"), {}}};
  web.routes = {{prefix("10.20.0.0/16"), {"lan", {}}, {}}};
  mesh.peers = {web};
  return mesh;
}

// web may open tcp/5432 to db.
inline model::Policy policy_by_hand() {
  model::Policy policy;
  policy.file = "/etc/krait/policy.toml";
  policy.identities = {{"web", 1, {}}, {"db", 2, {}}, {"lan", 3, {}}};
  model::Rule rule;
  rule.name = "web to db";
  rule.action = model::Action::allow;
  rule.from.identities = {0};
  rule.to.identities = {1};
  rule.selectors = {{5432, 5432}};
  policy.rules = {rule};
  return policy;
}

inline netlink::Rule rule_by_hand(std::uint32_t priority, std::uint32_t table) {
  netlink::Rule rule;
  rule.priority = priority;
  rule.action = netlink::RuleAction::table;
  rule.table = table;
  return rule;
}

inline netlink::Address address_by_hand(std::uint32_t index, const char* text) {
  const common::Prefix address = prefix(text);
  return {.index = index, .prefix = address, .other_end = address.ip};
}

inline netlink::Route route_by_hand(std::uint32_t table, const char* to, std::uint32_t index) {
  netlink::Route route;
  route.table = table;
  route.prefix = prefix(to);
  route.index = index;
  return route;
}

inline netlink::Filter guard_by_hand(bool ingress) {
  netlink::Filter filter;
  filter.index = kWg0;
  filter.ingress = ingress;
  filter.priority = 0xffff;
  filter.kind = "bpf";
  filter.program = "krait_guard:[9]";
  return filter;
}

inline Facts facts_by_hand() {
  Facts facts;
  facts.root = true;
  facts.interface = "wg0";
  facts.config.file = "/etc/krait/krait.toml";
  facts.config.mesh = mesh_by_hand();
  facts.config.policy = policy_by_hand();
  facts.kernel = {.release = "6.12.41-amd64", .has_bpf = true, .has_tcx = true, .wireguard_loaded = true};
  facts.clock = {.now_s = 1'790'000'000,
                 .synchronized = true,
                 .known_s = 1'790'000'000,
                 .source = model::TimeSource::clock,
                 .file = {}};
  facts.key_file = {.exists = true, .visible = true, .mode = 0600, .owner = 0};
  facts.pins = {.directory = "/run/krait/bpf", .exists = true, .is_bpffs = true, .owner = 0};
  facts.agent.answers = true;
  facts.agent.pid = 100;
  facts.agent.version = "0.1.0";
  facts.agent.mode = "manage";
  facts.agent.stage = "enforcing";
  facts.agent.interface = "wg0";
  facts.agent.attachment = "tcx";
  facts.agent.revision = 7;
  facts.agent.capabilities = kAgentCapabilities;
  facts.port = {.used = true, .by_kernel = true, .process = {}};
  facts.network.links = {
      {1, "lo", "", 65536, true}, {kEth0, "eth0", "", 1500, true}, {kWg0, "wg0", "wireguard", 1420, true}};
  facts.link.link = facts.network.links[2];
  facts.link.listen_port = 51820;
  facts.link.filters = {guard_by_hand(true), guard_by_hand(false)};
  facts.link.tcx_ingress = {{20, "krait_ingress", "0011223344556677"}};
  facts.link.tcx_egress = {{21, "krait_egress", "0011223344556677"}};
  facts.sysctls = {.rp_filter_all = 0, .rp_filter_interface = 0, .forward_v4 = 1, .forward_v6 = 1};
  facts.network.addresses = {address_by_hand(1, "127.0.0.1/8"), address_by_hand(kEth0, "192.0.2.2/24"),
                             address_by_hand(kWg0, "10.90.0.2/32"), address_by_hand(kEth0, "10.30.0.1/24")};
  facts.network.routes = {route_by_hand(254, "0.0.0.0/0", kEth0), route_by_hand(254, "10.90.0.1/32", kWg0),
                          route_by_hand(254, "10.20.0.0/16", kWg0), route_by_hand(254, "10.30.0.0/24", kEth0)};
  facts.network.rules = {rule_by_hand(0, 255), rule_by_hand(32766, 254), rule_by_hand(32767, 253)};
  netlink::Way way;
  way.index = kEth0;
  facts.network.endpoints = {{"web", *common::Endpoint::parse("192.0.2.1:51820"), way}};
  facts.firewall.ruleset = Ruleset{};
  facts.firewall.legacy_tables = false;
  return facts;
}

// The one finding that a check must have come to.
inline Finding only(const Findings& findings) {
  return findings.size() == 1 ? findings.front()
                              : Finding{"not one but " + std::to_string(findings.size()), {}, "", ""};
}

inline bool speaks_of(const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; }

}  // namespace krait::doctor
