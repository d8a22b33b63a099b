#include "krait/inspect/event_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "common/calendar.h"
#include "common/json.h"

namespace krait::inspect {

using common::list_at;
using common::number_at;
using common::text_at;

EventNames::EventNames(const Json& rules) : file_(text_at(rules, "policy")) {
  for (const Json& identity : list_at(rules, "identities")) {
    identities_[number_at(identity, "tag")] = text_at(identity, "name");
  }
  for (const Json& rule : list_at(rules, "rules")) {
    rules_[number_at(rule, "number")] = {text_at(rule, "rule"), number_at(rule, "line")};
  }
}

Json EventNames::identity(std::uint32_t tag) const {
  const auto found = identities_.find(tag);
  return tag == 0 ? Json() : found != identities_.end() ? Json(found->second) : Json(fmt::format("tag:{}", tag));
}

void EventNames::add_rule(std::uint32_t number_plus_1, Json& json) const {
  const auto found = number_plus_1 != 0 ? rules_.find(number_plus_1 - 1) : rules_.end();
  const bool known = found != rules_.end();
  json["rule"] = known ? Json(found->second.name) : Json();
  json["file"] = known ? Json(file_) : Json();
  json["line"] = known ? Json(found->second.line) : Json();
}

namespace {

std::string address_text(const std::uint32_t* mapped_be) {
  const bool v4 = mapped_be[0] == 0 && mapped_be[1] == 0 && mapped_be[2] == htonl(0xffff);
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? mapped_be + 3 : mapped_be, text, sizeof(text));
  return text;
}

std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_ICMPV6:
      return "icmpv6";
    default:
      return fmt::format("proto/{}", protocol);
  }
}

// RFC 3339 in UTC. An event is from before `now`; what claims to be from elsewhere reads as of now.
std::string time_text(std::uint64_t boot_ns, const common::Moment& now) {
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  const std::uint64_t age_ns = boot_ns <= now.boot_ns ? now.boot_ns - boot_ns : 0;
  const std::int64_t unix_ns =
      now.unix_ns - static_cast<std::int64_t>(std::min<std::uint64_t>(
                        age_ns, static_cast<std::uint64_t>(std::max<std::int64_t>(now.unix_ns, 0))));
  return fmt::format("{}.{:03}Z", common::utc_text(unix_ns / kNsPerS, "%Y-%m-%dT%H:%M:%S"),
                     unix_ns % kNsPerS / 1'000'000);
}

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

std::string end_text(const Json& json, const char* name, const char* address, const char* port) {
  const std::string who = json[name].is_null() ? "unknown" : json[name].get<std::string>();
  const std::string where = json[address].get<std::string>();
  return json[port].is_null() ? fmt::format("{} ({})", who, where)
                              : fmt::format("{} ({} {})", who, where, json[port].dump());
}

}  // namespace

Json event_json(const krait_event& event, const EventNames& names, const common::Moment& now) {
  Json json{{"time", time_text(event.boot_ns, now)}};
  json["verdict"] = event.reason == KRAIT_ALLOWED ? "allow" : "drop";
  json["reason"] = event.reason == KRAIT_ALLOWED ? Json() : Json(control::reason_label(event.reason));
  json["direction"] = event.direction == KRAIT_EGRESS ? "egress" : "ingress";
  json["from"] = names.identity(event.source_tag);
  json["to"] = names.identity(event.destination_tag);
  json["source"] = address_text(event.source_be);
  json["destination"] = address_text(event.destination_be);
  json["protocol"] = protocol_text(event.protocol);
  const bool ports = has_ports(event.protocol);
  const bool icmp = event.protocol == IPPROTO_ICMP || event.protocol == IPPROTO_ICMPV6;
  json["source_port"] = ports ? Json(ntohs(event.source_port_be)) : Json();
  json["destination_port"] = ports ? Json(ntohs(event.destination_port_be)) : Json();
  json["icmp_type"] = icmp ? Json(event.icmp_type) : Json();
  json["bytes"] = event.bytes;
  names.add_rule(event.rule, json);
  json["suppressed"] = event.suppressed;
  return json;
}

std::string event_text(const Json& json) {
  std::string text = fmt::format(
      "{}  {:<5}  {:<7}  {}{}  {} -> {}", json["time"].get<std::string>(), json["verdict"].get<std::string>(),
      json["direction"].get<std::string>(), json["protocol"].get<std::string>(),
      json["icmp_type"].is_null() ? "" : " type " + json["icmp_type"].dump(),
      end_text(json, "from", "source", "source_port"), end_text(json, "to", "destination", "destination_port"));
  if (!json["reason"].is_null()) {
    text += "  " + json["reason"].get<std::string>();
  }
  if (json["reason"] == control::reason_label(KRAIT_REASON_OUTSIDE_TUNNEL) && json.contains("interface") &&
      !json["interface"].is_null()) {
    text += " on " + json["interface"].get<std::string>();
  }
  if (!json["rule"].is_null()) {
    text += fmt::format("  by rule \"{}\" ({}:{})", json["rule"].get<std::string>(), json["file"].get<std::string>(),
                        json["line"].dump());
  }
  if (json["suppressed"] != 0) {
    text += fmt::format("  ({} more like it not shown)", json["suppressed"].dump());
  }
  return text;
}

}  // namespace krait::inspect
