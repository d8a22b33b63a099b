#include "krait/control/protocol.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/answer.h"
#include "krait/abi/reasons.h"
#include "krait/control/version.h"

namespace krait::control {

using common::Error;
using common::ErrorCode;
using common::Result;
using common::text_at;

namespace {

constexpr std::array<std::pair<std::string_view, Request>, 11> kRequests{{{"status", Request::status},
                                                                          {"rules", Request::rules},
                                                                          {"reload", Request::reload},
                                                                          {"down", Request::down},
                                                                          {"drain", Request::drain},
                                                                          {"rotate_key", Request::rotate_key},
                                                                          {"take_state", Request::take_state},
                                                                          {"confirm_state", Request::confirm_state},
                                                                          {"endpoints", Request::endpoints},
                                                                          {"prepare_key", Request::prepare_key},
                                                                          {"allow_older", Request::allow_older}}};

constexpr std::int64_t kNsPerS = 1'000'000'000;

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) {
      return name;
    }
  }
  return {};
}

Json peer_json(const PeerState& peer, std::int64_t now_s) {
  const auto& kernel = peer.wireguard;
  Json json;
  json["name"] = peer.name.empty() ? Json() : Json(peer.name);
  json["identity"] = peer.identity.empty() ? Json() : Json(peer.identity);
  json["public_key"] = model::key_text(kernel.public_key);
  json["next_key"] = peer.next_key;
  json["endpoint"] = kernel.endpoint ? Json(kernel.endpoint->text()) : Json();
  json["endpoint_name"] = peer.endpoint_name.empty() ? Json() : Json(peer.endpoint_name);
  json["endpoint_failure"] = peer.endpoint_failure.empty() ? Json() : Json(peer.endpoint_failure);
  const bool met = kernel.last_handshake_s != 0;
  json["last_handshake_s"] = met ? Json(kernel.last_handshake_s) : Json();
  json["handshake_age_s"] = met ? Json(std::max<std::int64_t>(0, now_s - kernel.last_handshake_s)) : Json();
  json["received_bytes"] = kernel.received_bytes;
  json["sent_bytes"] = kernel.sent_bytes;
  return json;
}

Json packets_json(const datapath::Counters& counters) {
  std::array<std::uint64_t, KRAIT_VERDICTS> packets{};
  for (const auto& pair : counters.pairs) {
    for (const auto& by_verdict : pair.count) {
      packets[KRAIT_DROP] += by_verdict[KRAIT_DROP].packets;
      packets[KRAIT_ALLOW] += by_verdict[KRAIT_ALLOW].packets;
    }
  }
  return {{"allowed", packets[KRAIT_ALLOW]}, {"dropped", packets[KRAIT_DROP]}};
}

Json drops_json(const datapath::Counters& counters) {
  Json json = Json::object();
  for (std::uint32_t reason = KRAIT_ALLOWED + 1; reason < KRAIT_REASON_COUNT; ++reason) {
    const auto& by_direction = counters.drops[reason].by_direction;
    json[std::string(reason_label(reason))] = by_direction[KRAIT_INGRESS].packets + by_direction[KRAIT_EGRESS].packets;
  }
  return json;
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
  const auto json = common::parse_json_object(line);
  if (!json) {
    return Error(ErrorCode::invalid_input, R"(a request is one JSON object on a line, as {"request":"status"})");
  }
  if (const auto version = json->find("version"); version != json->end() && *version != kProtocolVersion) {
    return Error(ErrorCode::invalid_input, "this agent speaks version 1 of the control protocol");
  }
  const std::string name = text_at(*json, "request");
  for (const auto& [known, request] : kRequests) {
    if (name == known) {
      return request;
    }
  }
  return Error(ErrorCode::invalid_input,
               "unknown request; the requests are status, rules, reload, down, drain, rotate_key, take_state, "
               "confirm_state, endpoints, prepare_key and allow_older");
}

std::string request_line(Request request) {
  return common::json_line({{"version", kProtocolVersion}, {"request", name_in(kRequests, request)}});
}

bool needs_right(Request request) { return request != Request::status; }

bool is_for_link(Request request) {
  return request == Request::take_state || request == Request::confirm_state || request == Request::endpoints ||
         request == Request::prepare_key || request == Request::rotate_key;
}

Json status_json(const State& state, const model::Policy& policy, const AgentFacts& facts) {
  Json json{{"version", kProtocolVersion}};
  json["agent"] = {{"pid", facts.pid},
                   {"version", kVersion},
                   {"mode", state.managed ? "manage" : "guard"},
                   {"config", facts.config_file}};
  json["interface"] = state.interface;
  json["stage"] = stage_name(state.stage);
  json["faults"] = Json::array();
  for (const Fault& fault : state.faults) {
    json["faults"].push_back({{"what", fault.what}, {"hint", fault.hint}});
  }
  json["clock"] = {{"time_s", state.time.clock_ns / kNsPerS},
                   {"known_time_s", state.time.now.unix_ns / kNsPerS},
                   {"behind_s", state.time.behind_s()},
                   {"synchronized", state.time.synchronized}};
  json["interface_index"] = state.interface_index;
  json["attachment"] = attachment_name(state.attachment);
  json["public_key"] = state.public_key ? Json(model::key_text(*state.public_key)) : Json();
  json["policy"] = policy.file;
  json["revision"] = state.revision;
  json["rules"] = policy.rules.size();
  json["identities"] = policy.identities.size();
  json["peers"] = Json::array();
  for (const PeerState& peer : state.peers) {
    json["peers"].push_back(peer_json(peer, facts.now_s));
  }
  json["packets"] = packets_json(state.counters);
  json["drops"] = drops_json(state.counters);
  if (state.network) {
    json["network"] = network_json(*state.network);
  }
  return json;
}

Json network_json(const NetworkState& network) {
  return {{"id", network.id},
          {"hosts_revision", network.hosts_revision},
          {"policy_revision", network.policy_revision},
          {"administrators", network.administrators},
          {"lease_s", network.lease_s},
          {"preshared_keys", network.preshared_keys},
          {"confirmed_s", network.confirmed_s == 0 ? Json() : Json(network.confirmed_s)},
          {"refused", network.refused.empty() ? Json() : Json(network.refused)}};
}

Json endpoints_json(const State& state) {
  Json json{{"version", kProtocolVersion}, {"endpoints", Json::array()}};
  for (const PeerState& peer : state.peers) {
    if (!peer.name.empty() && !peer.next_key && peer.wireguard.endpoint && peer.wireguard.last_handshake_s != 0) {
      json["endpoints"].push_back({{"host", peer.name},
                                   {"endpoint", peer.wireguard.endpoint->text()},
                                   {"handshake_s", peer.wireguard.last_handshake_s}});
    }
  }
  return json;
}

Json applied_json(const Applied& applied) {
  Json json{{"version", kProtocolVersion},
            {"revision", applied.revision},
            {"rules", applied.rules},
            {"identities", applied.identities},
            {"peers", applied.peers}};
  json["changes"] = {{"peers_added", applied.changes.peers_added},
                     {"peers_changed", applied.changes.peers_changed},
                     {"peers_removed", applied.changes.peers_removed},
                     {"addresses", applied.changes.addresses},
                     {"routes", applied.changes.routes},
                     {"device", applied.changes.device}};
  json["faults"] = Json::array();
  for (const wireguard::Refusal& refusal : applied.changes.refused) {
    json["faults"].push_back({{"what", refusal.what}, {"hint", refusal.hint}});
  }
  json["warnings"] = common::findings_json(applied.warnings);
  return json;
}

Json rules_json(const Rules& rules, const model::Policy& policy) {
  Json json{{"version", kProtocolVersion}, {"interface", rules.interface}, {"policy", policy.file}};
  json["revision"] = rules.revision;
  json["identities"] = Json::array();
  for (const model::Identity& identity : policy.identities) {
    json["identities"].push_back({{"name", identity.name}, {"tag", identity.tag}});
  }
  json["rules"] = Json::array();
  for (std::size_t i = 0; i < policy.rules.size() && i < rules.of_rule.size(); ++i) {
    const model::Rule& rule = policy.rules[i];
    const RuleState& state = rules.of_rule[i];
    Json entry{{"rule", rule.name}, {"action", rule.action == model::Action::allow ? "allow" : "deny"}};
    entry["line"] = rule.at.line;
    entry["number"] = state.number;
    entry["expires_in_s"] = state.expires_in_s ? Json(*state.expires_in_s) : Json();
    entry["packets"] = state.count.packets;
    entry["bytes"] = state.count.bytes;
    json["rules"].push_back(std::move(entry));
  }
  return json;
}

std::string_view reason_label(std::uint32_t reason) {
#define KRAIT_REASON_LABEL(name, label, meaning) label,
  static constexpr std::array<std::string_view, KRAIT_REASON_COUNT> kLabels{"", KRAIT_REASONS(KRAIT_REASON_LABEL)};
#undef KRAIT_REASON_LABEL
  return reason < kLabels.size() ? kLabels[reason] : "unknown";
}

std::string_view attachment_name(datapath::Attachment attachment) {
  switch (attachment) {
    case datapath::Attachment::tcx:
      return "tcx";
    case datapath::Attachment::clsact:
      return "clsact";
    case datapath::Attachment::none:
      break;
  }
  return "none";
}

}  // namespace krait::control
