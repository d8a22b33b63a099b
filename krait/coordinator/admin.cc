#include "krait/coordinator/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/answer.h"
#include "common/base64.h"
#include "krait/control/version.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

constexpr std::uint64_t kMaxWaitMs = 600'000;

Json answer() { return Json{{"version", common::kAnswerVersion}}; }

std::string encoded(const trust::Bytes& bytes) { return common::to_base64(bytes); }

Result<trust::Bytes> decoded(const Json& json, const char* key) {
  auto bytes = common::from_base64(text_at(json, key));
  return bytes && !bytes->empty() ? Result<trust::Bytes>(*std::move(bytes))
                                  : Error(ErrorCode::invalid_input, fmt::format("the request lacks {}", key));
}

Json spread_json(const Spread& spread, bool in_time) {
  Json failing = Json::array();
  for (const auto& [host, why] : spread.failing) {
    failing.push_back({{"host", host}, {"why", why}});
  }
  return {{"concerned", spread.concerned},
          {"enforcing", spread.enforcing},
          {"last_ms", static_cast<double>(spread.last_us) / 1000.0},
          {"in_time", in_time},
          {"failing", std::move(failing)}};
}

bool truth_at(const Json& json, const char* key) {
  const Json* member = common::find_member(json, key);
  return member != nullptr && member->is_boolean() && member->get<bool>();
}

}  // namespace

struct Admin::Command {
  Handler handler;
  Role role;
};

const std::map<std::string, Admin::Command, std::less<>>& Admin::commands() {
  static const std::map<std::string, Command, std::less<>> kCommands{
      {"status", {&Admin::status, Role::read}},
      {"authority", {&Admin::authority, Role::read}},
      {"hosts", {&Admin::hosts, Role::read}},
      {"hosts_edit", {&Admin::edit_hosts, Role::change}},
      {"tokens", {&Admin::tokens, Role::read}},
      {"token_add", {&Admin::add_token, Role::change}},
      {"policies", {&Admin::policies, Role::read}},
      {"policy", {&Admin::policy, Role::read}},
      {"policy_apply", {&Admin::apply_policy, Role::change}},
      {"admins_add", {&Admin::add_admins, Role::change}},
      {"audit", {&Admin::audit, Role::read}},
      {"audit_verify", {&Admin::verify_audit, Role::read}},
      {"settings", {&Admin::settings, Role::read}},
      {"settings_set", {&Admin::set_settings, Role::change}},
      {"backup", {&Admin::backup, Role::change}},
  };
  return kCommands;
}

void Admin::handle(std::string_view request, const Asker& asker, Reply reply) {
  const auto json = common::parse_json_object(request);
  const auto found = commands().find(json ? text_at(*json, "request") : "");
  const auto failed = [&](const Error& error) { reply(common::json_line(common::error_json(error))); };
  if (!json || found == commands().end()) {
    failed(Error(ErrorCode::invalid_input, "the coordinator knows no such request; is it older than this program?"));
    return;
  }
  if (asker.role < found->second.role) {
    failed(Error(ErrorCode::permission,
                 asker.role == Role::none
                     ? "only root and the members of the groups krait-coordinator and krait-coordinator-read may ask"
                     : "only root and the members of the group krait-coordinator may change anything"));
    return;
  }
  auto done = (this->*found->second.handler)(*json, asker);
  if (!done) {
    failed(done.error());
  } else if (truth_at(*json, "wait")) {
    reply_when_enforced(*std::move(done), *json, std::move(reply));
  } else {
    reply(common::json_line(*done));
  }
}

void Admin::reply_when_enforced(Json answer, const Json& request, Reply reply) {
  const std::uint64_t id = next_waiting_++;
  Waiting& waiting = waiting_[id];
  waiting.answer = std::move(answer);
  waiting.reply = std::move(reply);
  auto timer = common::Timer::create(loop_, [this, id] {
    const auto found = waiting_.find(id);
    if (found != waiting_.end()) {
      finish(id, service_.give_up(found->second.wait), false);
    }
  });
  if (timer) {
    waiting.timer = *std::move(timer);
    waiting.timer.after(std::chrono::milliseconds(std::min(number_at(request, "timeout_ms"), kMaxWaitMs)));
  }
  const auto wait = service_.wait([this, id](const Spread& spread) { finish(id, spread, true); });
  if (const auto found = waiting_.find(id); found != waiting_.end()) {
    found->second.wait = wait;
  }
}

void Admin::finish(std::uint64_t id, const Spread& spread, bool in_time) {
  auto waiting = waiting_.extract(id);
  waiting.mapped().answer["spread"] = spread_json(spread, in_time);
  waiting.mapped().reply(common::json_line(waiting.mapped().answer));
}

Result<Json> Admin::status(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = answer();
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
  Json json = answer();
  const trust::Network& trusted = service_.network().trusted();
  json["revision"] = service_.revision();
  json["server_key"] = server_key_;
  json["lists"] = Json::array();
  for (const auto& list : trusted.lists) {
    json["lists"].push_back(encoded(trust::encode(list)));
  }
  json["hosts"] = encoded(trust::encode(trusted.hosts));
  json["policy"] = encoded(trust::encode(trusted.policy));
  json["settings"] = Json::parse(fleet::text_of(service_.network().settings()));
  if (truth_at(request, "book")) {
    json["book"] = encoded(trusted.hosts_book.save());
    json["joined"] = Json::object();
    for (const auto& [number, host] : service_.network().hosts()) {
      if (const trust::Joined* joined = service_.network().joined(host.name)) {
        json["joined"][host.name] = fleet::joined_text(*joined);
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
    json["key"] = model::key_text(binding->key);
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
  json["enforced"] = state.enforced;
  json["sent"] = state.sent;
  json["failure"] = state.failure.empty() ? Json() : Json(state.failure);
  json["joined_s"] = host.joined_s;
  return json;
}

Result<Json> Admin::hosts(const Json& request, const Asker& /*asker*/) {
  Json json = answer();
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
  return json;
}

Result<Json> Admin::edit_hosts(const Json& request, const Asker& asker) {
  fleet::HostsEdit edit;
  for (const Json& binding : common::list_at(request, "put")) {
    const auto bytes = common::from_base64(binding.is_string() ? binding.get<std::string>() : "");
    KRAIT_TRY(auto bound, trust::parse_host_binding(bytes ? *bytes : trust::Bytes()));
    edit.put.push_back(std::move(bound));
  }
  for (const Json& name : common::list_at(request, "remove")) {
    edit.remove.push_back(name.is_string() ? name.get<std::string>() : "");
  }
  for (const Json& hash : common::list_at(request, "take_back")) {
    const auto parsed = crypto::parse_hash(hash.is_string() ? hash.get<std::string>() : "");
    if (!parsed) {
      return Error(ErrorCode::invalid_input, "what is to be taken back cannot be read");
    }
    edit.take_back.push_back(*parsed);
  }
  KRAIT_TRY(const auto bytes, decoded(request, "statement"));
  KRAIT_TRY(const auto statement, trust::parse_hosts_statement(bytes));
  KRAIT_TRY(const auto revision,
            service_.change(asker.who, text_at(request, "what", "hosts"), [&](const fleet::Network& network) {
              return network.edit_hosts(edit, statement, clock_.unix_s());
            }));
  Json json = answer();
  json["revision"] = revision;
  return json;
}

Result<Json> Admin::tokens(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = answer();
  json["tokens"] = Json::array();
  const fleet::Network& network = service_.network();
  for (const auto& [key, token] : network.tokens()) {
    const trust::Grant& grant = token.grant.value;
    const bool revoked = network.trusted().hosts_book.was_taken_back(trust::grant_id(token.grant));
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

Result<Json> Admin::add_token(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto bytes, decoded(request, "grant"));
  fleet::Token token{.note = text_at(request, "note"), .who = asker.who};
  KRAIT_TRY(token.grant, trust::parse_grant(bytes));
  KRAIT_TRY(const auto revision,
            service_.change(asker.who, fmt::format("token for {}", token.grant.value.identity),
                            [&](const fleet::Network& network) { return network.add_token(token); }));
  Json json = answer();
  json["revision"] = revision;
  json["known_identity"] = service_.network().trusted().policy_book.rows().contains(token.grant.value.identity);
  return json;
}

Result<Json> Admin::policies(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = answer();
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
  Json json = answer();
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

// The text whole; or, where `base` names the last policy, what stands between the beginning and the end that both have.
Result<std::string> Admin::text_in(const Json& request) const {
  std::string text = text_at(request, "text");
  if (common::find_member(request, "base") == nullptr) {
    return text;
  }
  const fleet::Network& network = service_.network();
  if (!network.has_policy() || number_at(request, "base") != network.policies().rbegin()->first) {
    return Error(ErrorCode::unavailable, "another policy was applied meanwhile; look at it, and try again");
  }
  const std::string& former = network.last_policy_text();
  const std::uint64_t first = number_at(request, "same_first");
  const std::uint64_t last = number_at(request, "same_last");
  if (first > former.size() || last > former.size() - first) {
    return Error(ErrorCode::invalid_input, "the policy has more in common with the last one than there is");
  }
  return former.substr(0, first) + text + former.substr(former.size() - last);
}

Result<Json> Admin::apply_policy(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto bytes, decoded(request, "statement"));
  KRAIT_TRY(const auto statement, trust::parse_policy_statement(bytes));
  KRAIT_TRY(auto text, text_in(request));
  fleet::PolicyText policy{
      .text = std::move(text), .who = asker.who, .what = text_at(request, "what", "apply"), .at_s = clock_.unix_s()};
  KRAIT_TRY(const auto revision,
            service_.change(asker.who, fmt::format("policy: {}", policy.what),
                            [&](const fleet::Network& network) { return network.apply_policy(policy, statement); }));
  Json json = answer();
  json["revision"] = revision;
  json["policy"] = service_.network().policies().rbegin()->first;
  json["online"] = service_.online();
  return json;
}

Result<Json> Admin::add_admins(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto bytes, decoded(request, "list"));
  KRAIT_TRY(const auto list, trust::parse_admin_list(bytes));
  KRAIT_TRY(const auto revision,
            service_.change(asker.who, text_at(request, "what", "administrators"),
                            [&](const fleet::Network& network) { return network.add_admin_list(list); }));
  Json json = answer();
  json["revision"] = revision;
  return json;
}

Result<Json> Admin::audit(const Json& request, const Asker& /*asker*/) {
  KRAIT_TRY(const auto entries, store_.audit(std::clamp<std::uint64_t>(number_at(request, "most"), 1, 100'000)));
  Json json = answer();
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
  Json json = answer();
  json["lines"] = lines;
  return json;
}

Result<Json> Admin::settings(const Json& /*request*/, const Asker& /*asker*/) {
  Json json = answer();
  json["settings"] = Json::parse(fleet::text_of(service_.network().settings()));
  json["id"] = crypto::hash_text(service_.network().trusted().lists.back().value.network);
  json["server_key"] = server_key_;
  return json;
}

// Addresses of hosts come out of prefixes: those that are there stay.
Result<Json> Admin::set_settings(const Json& request, const Asker& asker) {
  KRAIT_TRY(auto settings, fleet::parse_settings(common::object_at(request, "settings").dump()));
  KRAIT_TRY(const auto revision, service_.change(asker.who, "settings of the network",
                                                 [&](const fleet::Network& network) -> Result<std::vector<fleet::Row>> {
                                                   if (settings.prefixes.empty() || settings.name.empty()) {
                                                     return Error(ErrorCode::invalid_input,
                                                                  "a network needs a name and a prefix");
                                                   }
                                                   settings.last_host = network.settings().last_host;
                                                   settings.made_s = network.settings().made_s;
                                                   return fleet::Network::update_settings(settings);
                                                 }));
  Json json = answer();
  json["revision"] = revision;
  return json;
}

Result<Json> Admin::backup(const Json& request, const Asker& asker) {
  const std::string path = text_at(request, "file");
  if (!path.starts_with('/')) {
    return Error(ErrorCode::invalid_input, "a backup's file is named by its whole path");
  }
  KRAIT_CHECK(store_.note(asker.who, "backup", clock_.unix_s()));
  KRAIT_CHECK(store_.database().copy_to(path));
  Json json = answer();
  json["file"] = path;
  json["revision"] = service_.revision();
  return json;
}

}  // namespace krait::coordinator
