// What administrators look at: nothing changes by it.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base64.h"
#include "krait/control/version.h"
#include "krait/coordinator/admin.h"
#include "krait/coordinator/request.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

std::string encoded(const trust::Bytes& bytes) { return common::to_base64(bytes); }

// Nothing: none yet, over the connection that the host has now.
Json revision_json(std::uint64_t revision) { return revision == 0 ? Json() : Json(revision); }

}  // namespace

Result<Json> Admin::status(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = fresh_answer();
  const fleet::Network& network = service_.network();
  json["program"] = fmt::format("krait-coordinator {}", control::kVersion);
  json["network"] = network.settings().name;
  json["id"] = crypto::hash_text(network.trusted().lists.back().value.network);
  json["revision"] = service_.revision();
  json["hosts"] = network.hosts().size();
  json["online"] = service_.online();
  json["policy"] = network.has_policy() ? Json(network.policies().rbegin()->first) : Json();
  const Counters& counters = service_.counters();
  json["counters"] = {{"joins", counters.joins},
                      {"refusals", counters.refusals},
                      {"commits", counters.commits},
                      {"states_sent", counters.states_sent},
                      {"snapshots_sent", counters.snapshots_sent},
                      {"state_bytes", counters.state_bytes}};
  return json;
}

// All that somebody needs who is to sign a change.
Result<Json> Admin::authority(const Json& request, const Asker& /*asker*/) {
  Json json = fresh_answer();
  const trust::Network& trusted = service_.network().trusted();
  json["revision"] = service_.revision();
  json["server_key"] = server_key_;
  json["lists"] = Json::array();
  for (const auto& list : trusted.lists) {
    json["lists"].push_back(encoded(trust::encode(list)));
  }
  json["hosts"] = encoded(trust::encode(trusted.hosts));
  json["policy"] = encoded(trust::encode(trusted.policy));
  json["settings"] = common::parse_json(fleet::text_of(service_.network().settings()));
  if (common::truth_at(request, "book")) {
    json["book"] = encoded(trusted.hosts_book.save());
    json["joined"] = Json::object();
    json["waiting"] = Json::array();
    for (const auto& [number, host] : service_.network().hosts()) {
      if (const trust::Joined* joined = service_.network().joined(host.name)) {
        json["joined"][host.name] = fleet::joined_text(*joined);
        if (host.waits_for_approval) {
          json["waiting"].push_back(host.name);
        }
      }
    }
    for (const auto& [key, token] : service_.network().tokens()) {
      json["grants"][key] = crypto::hash_text(trust::grant_id(token.grant));
    }
  }
  return json;
}

Json Admin::host_json(const fleet::Host& host) const {
  const HostState state = service_.state_of(host);
  Json json{{"name", host.name}, {"number", host.number}};
  const fleet::Network& network = service_.network();
  if (const trust::HostBinding* binding = network.binding(host.name)) {
    json["identity"] = binding->identity;
    const auto change = network.trusted().key_changes.find(host.name);
    const bool changed =
        change != network.trusted().key_changes.end() && change->second.value.serial > binding->key_serial;
    json["key"] = model::key_text(changed ? change->second.value.key : binding->key);
    const auto next = changed ? change->second.value.next_key : std::nullopt;
    json["next_key"] = next ? Json(model::key_text(*next)) : Json();
    json["addresses"] = Json::array();
    for (const common::Ip& address : binding->addresses) {
      json["addresses"].push_back(address.text());
    }
    json["routes"] = Json::array();
    for (const trust::Route& route : binding->routes) {
      json["routes"].push_back({{"prefix", route.prefix.text()}, {"identity", route.identity}});
    }
  }
  const auto endpoint = host.endpoint();
  json["endpoint"] = endpoint ? Json(endpoint->text()) : Json();
  json["signed_by"] = network.trusted().hosts_book.find(host.name) != nullptr ? "administrator" : "token";
  json["waits_for_approval"] = host.waits_for_approval;
  json["left"] = host.left;
  json["online"] = state.online;
  json["enforced"] = revision_json(state.enforced);
  json["sent"] = revision_json(state.sent);
  json["behind"] = state.behind;
  json["failure"] = state.failure.empty() ? Json() : Json(state.failure);
  json["copied"] = state.copied ? Json(places_text(*state.copied)) : Json();
  json["joined_s"] = host.joined_s;
  return json;
}

Result<Json> Admin::hosts(const Json& request, const Asker& /*asker*/) {
  Json json = fresh_answer();
  const std::string name = text_at(request, "host");
  json["revision"] = service_.revision();
  json["hosts"] = Json::array();
  for (const auto& [number, host] : service_.network().hosts()) {
    if (name.empty() || host.name == name) {
      json["hosts"].push_back(host_json(host));
    }
  }
  if (!name.empty() && json["hosts"].empty()) {
    return Error(ErrorCode::not_found, fmt::format("there is no host {}; see krait-coordinator host list", name));
  }
  name_coordinators(json);
  return json;
}

Result<Json> Admin::tokens(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = fresh_answer();
  json["tokens"] = Json::array();
  const fleet::Network& network = service_.network();
  for (const auto& [key, token] : network.tokens()) {
    const trust::Grant& grant = token.grant.value;
    const bool revoked = network.trusted().hosts_book.was_taken_back(trust::grant_id(token.grant)) ||
                         !trust::may_sign_hosts(network.trusted().lists.back().value, token.grant.signer);
    Json routes = Json::array();
    for (const trust::Route& route : grant.routes) {
      routes.push_back({{"prefix", route.prefix.text()}, {"identity", route.identity}});
    }
    json["tokens"].push_back({{"token", key},
                              {"identity", grant.identity},
                              {"routes", std::move(routes)},
                              {"uses_left", token.uses_left},
                              {"uses", grant.uses},
                              {"made_s", grant.made_s},
                              {"expires_s", grant.expires_s},
                              {"expired", clock_.unix_s() > grant.expires_s},
                              {"revoked", revoked},
                              {"who", token.who},
                              {"note", token.note}});
  }
  return json;
}

Result<Json> Admin::policies(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = fresh_answer();
  json["policies"] = Json::array();
  for (const auto& [number, policy] : service_.network().policies()) {
    json["policies"].push_back({{"policy", number},
                                {"at_s", policy.at_s},
                                {"who", policy.who},
                                {"what", policy.what},
                                {"rules", policy.rules},
                                {"identities", policy.identities}});
  }
  return json;
}

Result<Json> Admin::policy(const Json& request, const Asker& /*asker*/) {
  const auto& policies = service_.network().policies();
  Json json = fresh_answer();
  const Json* number = common::find_member(request, "policy");
  if (policies.empty() && number == nullptr) {
    json["policy"] = 0;
    json["text"] = "";
    return json;
  }
  const auto found = number == nullptr ? std::prev(policies.end()) : policies.find(number_at(request, "policy"));
  if (found == policies.end()) {
    return Error(ErrorCode::not_found, "there is no policy of that number; see krait-coordinator policy history");
  }
  json["policy"] = found->first;
  if (found->first == policies.rbegin()->first) {
    json["text"] = service_.network().last_policy_text();
    return json;
  }
  KRAIT_TRY(const auto row, store_.value(static_cast<std::uint32_t>(fleet::Kind::policy), fleet::key_of(found->first)));
  KRAIT_TRY(const auto stored, fleet::parse_policy_text(row.value_or("")));
  json["text"] = stored.text;
  return json;
}

Result<Json> Admin::audit(const Json& request, const Asker& /*asker*/) {
  KRAIT_TRY(const auto entries, store_.audit(std::clamp<std::uint64_t>(number_at(request, "most"), 1, 100'000)));
  Json json = fresh_answer();
  json["entries"] = Json::array();
  for (const records::Entry& entry : entries) {
    json["entries"].push_back({{"number", entry.number},
                               {"at_s", entry.at_s},
                               {"who", entry.who},
                               {"what", entry.what},
                               {"revision", entry.revision},
                               {"hash", crypto::hash_text(entry.hash)}});
  }
  return json;
}

Result<Json> Admin::verify_audit(const Json& /*request*/, const Asker& /*asker*/) {
  KRAIT_TRY(const auto lines, store_.verify_audit());
  Json json = fresh_answer();
  json["lines"] = lines;
  return json;
}

Result<Json> Admin::settings(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = fresh_answer();
  json["settings"] = common::parse_json(fleet::text_of(service_.network().settings()));
  json["id"] = crypto::hash_text(service_.network().trusted().lists.back().value.network);
  json["server_key"] = server_key_;
  return json;
}

}  // namespace krait::coordinator
