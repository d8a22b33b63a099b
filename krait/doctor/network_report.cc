#include "krait/doctor/network_report.h"

#include <array>

namespace krait::doctor {

namespace {

template <typename Value>
control::Json optional(const std::optional<Value>& value) {
  return value ? control::Json(*value) : control::Json();
}

control::Json text_of(const std::optional<common::Ip>& ip) { return ip ? control::Json(ip->text()) : control::Json(); }

control::Json text_of(const std::optional<common::Prefix>& prefix) {
  return prefix ? control::Json(prefix->text()) : control::Json();
}

const char* name_of(netlink::RouteType type) {
  constexpr std::array<const char*, 4> kNames{"unicast", "local", "refused", "throw"};
  return kNames[static_cast<std::size_t>(type)];
}

const char* name_of(netlink::RuleAction action) {
  constexpr std::array<const char*, 3> kNames{"table", "refuse", "other"};
  return kNames[static_cast<std::size_t>(action)];
}

control::Json tcx_list(const std::vector<datapath::AttachedProgram>& programs) {
  control::Json list = control::Json::array();
  for (const datapath::AttachedProgram& program : programs) {
    list.push_back({{"id", program.id}, {"name", program.name}, {"tag", program.tag}});
  }
  return list;
}

}  // namespace

control::Json network_report(const NetworkFacts& network) {
  control::Json json;
  for (const char* key : {"links", "addresses", "routes", "rules", "qdiscs"}) {
    json[key] = control::Json::array();
  }
  for (const netlink::Link& link : network.links) {
    json["links"].push_back(
        {{"index", link.index}, {"name", link.name}, {"kind", link.kind}, {"mtu", link.mtu_bytes}, {"up", link.up}});
  }
  for (const netlink::Address& address : network.addresses) {
    json["addresses"].push_back({{"index", address.index}, {"address", address.prefix.text()}});
  }
  for (const netlink::Route& route : network.routes) {
    json["routes"].push_back({{"table", route.table},
                              {"prefix", route.prefix.text()},
                              {"type", name_of(route.type)},
                              {"index", route.index},
                              {"gateway", text_of(route.gateway)},
                              {"metric", route.metric}});
  }
  for (const netlink::Rule& rule : network.rules) {
    json["rules"].push_back({{"family", rule.family == common::Family::v4 ? 4 : 6},
                             {"priority", rule.priority},
                             {"action", name_of(rule.action)},
                             {"table", rule.table},
                             {"from", text_of(rule.source)},
                             {"to", text_of(rule.destination)},
                             {"narrowed", rule.narrowed},
                             {"not", rule.inverted},
                             {"suppressed_length", optional(rule.suppressed_length)}});
  }
  for (const netlink::Qdisc& qdisc : network.qdiscs) {
    json["qdiscs"].push_back(
        {{"index", qdisc.index}, {"kind", qdisc.kind}, {"handle", qdisc.handle}, {"parent", qdisc.parent}});
  }
  return json;
}

control::Json programs_report(const InterfaceFacts& link) {
  control::Json json{{"tcx_ingress", tcx_list(link.tcx_ingress)},
                     {"tcx_egress", tcx_list(link.tcx_egress)},
                     {"tcx_error", link.tcx_error}};
  json["filters"] = control::Json::array();
  for (const netlink::Filter& filter : link.filters) {
    json["filters"].push_back({{"direction", filter.ingress ? "ingress" : "egress"},
                               {"priority", filter.priority},
                               {"handle", filter.handle},
                               {"kind", filter.kind},
                               {"program", filter.program},
                               {"id", filter.program_id},
                               {"tag", filter.program_tag}});
  }
  return json;
}

control::Json host_report(const Facts& facts) {
  control::Json json{
      {"kernel", facts.kernel.release}, {"tcx", optional(facts.kernel.has_tcx)},    {"btf", facts.kernel.has_btf},
      {"time_s", facts.clock.now_s},    {"synchronized", facts.clock.synchronized}, {"interface", facts.interface}};
  json["caller"] = {{"root", facts.root}, {"capabilities", facts.capabilities}};
  json["agent"] = {{"answers", facts.agent.answers},
                   {"user", facts.agent.user},
                   {"capabilities", optional(facts.agent.capabilities)}};
  json["sysctls"] = {{"rp_filter_all", optional(facts.sysctls.rp_filter_all)},
                     {"rp_filter_interface", optional(facts.sysctls.rp_filter_interface)},
                     {"forward_v4", optional(facts.sysctls.forward_v4)},
                     {"forward_v6", optional(facts.sysctls.forward_v6)}};
  return json;
}

}  // namespace krait::doctor
