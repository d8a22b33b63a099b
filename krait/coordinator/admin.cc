#include "krait/coordinator/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "common/answer.h"
#include "common/base64.h"
#include "common/file.h"
#include "common/ip.h"
#include "krait/config/findings.h"
#include "krait/control/version.h"
#include "krait/coordinator/audit_text.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

constexpr std::uint64_t kMaxWaitMs = 600'000;
constexpr std::size_t kMaxWaiting = 256;
constexpr std::size_t kMaxNoteBytes = 256;

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

Result<void> check_role(const Asker& asker, Role needed, bool local_only) {
  if (asker.role >= needed && (asker.local || !local_only)) {
    return {};
  }
  if (asker.role >= needed) {
    return Error(ErrorCode::permission, "that is for the coordinator's own machine: it writes a file there");
  }
  if (!asker.local) {
    return Error(ErrorCode::permission, fmt::format("{} may not do that: it takes the role {}", asker.who,
                                                    needed == Role::admin ? "admin" : "policy"));
  }
  return Error(ErrorCode::permission,
               needed == Role::read     ? "only root and the members of the groups krait-coordinator, "
                                          "krait-coordinator-policy and krait-coordinator-read may ask"
               : needed == Role::policy ? "only root and the members of the groups krait-coordinator and "
                                          "krait-coordinator-policy may change the policy"
                                        : "only root and the members of the group krait-coordinator may change that");
}

Result<fleet::HostsEdit> hosts_edit_at(const Json& request) {
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
  return edit;
}

// "apply" or "rollback to N".
std::string what_of_policy(const Json& request) {
  const std::uint64_t former = number_at(request, "rollback_to");
  return former == 0 ? "apply" : fmt::format("rollback to {}", former);
}

bool truth_at(const Json& json, const char* key) {
  const Json* member = common::find_member(json, key);
  return member != nullptr && member->is_boolean() && member->get<bool>();
}

// Each address is in every token, and in answers that name all coordinators.
Result<void> check_settings(const Json& asked, const fleet::Settings& settings) {
  constexpr std::uint64_t kMaxKeepaliveS = 3600;
  constexpr std::size_t kMaxAddresses = 16;
  if (number_at(asked, "keepalive_s") > kMaxKeepaliveS) {
    return Error(ErrorCode::invalid_input, fmt::format("a keepalive is 0 to {} s", kMaxKeepaliveS));
  }
  if (settings.addresses.size() > kMaxAddresses) {
    return Error(ErrorCode::invalid_input, fmt::format("at most {} addresses of coordinators", kMaxAddresses));
  }
  for (const std::string& address : settings.addresses) {
    if (!common::Endpoint::parse(address)) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("{} is no address of a coordinator; write 192.0.2.10:7170", config::in_quotes(address)));
    }
  }
  return {};
}

}  // namespace

Role role_of(trust::Role role) {
  switch (role) {
    case trust::Role::admin:
      return Role::admin;
    case trust::Role::policy:
      return Role::policy;
    case trust::Role::read:
      return Role::read;
  }
  return Role::none;
}

struct Admin::Command {
  Handler handler;
  Role role;
  bool local_only = false;
  bool waits = role != Role::read;  // where it is asked to, until hosts enforce what there is then
};

Admin::Admin(common::Loop& loop, Service& service, records::Store& store, const Clock& clock, std::string server_key)
    : loop_(loop),
      service_(service),
      store_(store),
      clock_(clock),
      server_key_(std::move(server_key)),
      name_(common::read_file("/proc/sys/kernel/random/uuid", 64).value_or("").substr(0, 36)) {}

const std::map<std::string, Admin::Command, std::less<>>& Admin::commands() {
  static const std::map<std::string, Command, std::less<>> kCommands{
      {"status", {&Admin::status, Role::read}},
      {"authority", {&Admin::authority, Role::read}},
      {"hosts", {&Admin::hosts, Role::read}},
      {"hosts_edit", {&Admin::edit_hosts, Role::admin}},
      {"tokens", {&Admin::tokens, Role::read}},
      {"token_add", {&Admin::add_token, Role::admin}},
      {"policies", {&Admin::policies, Role::read}},
      {"policy", {&Admin::policy, Role::read}},
      {"policy_apply", {&Admin::apply_policy, Role::policy}},
      {"admins_change", {&Admin::change_admins, Role::admin}},
      {"audit", {&Admin::audit, Role::read}},
      {"audit_verify", {&Admin::verify_audit, Role::read}},
      {"settings", {&Admin::settings, Role::read}},
      {"settings_set", {&Admin::set_settings, Role::admin}},
      {"rotate_keys", {&Admin::rotate_keys, Role::admin}},
      {"backup", {&Admin::backup, Role::admin, true}},
      {"await", {.handler = &Admin::await, .role = Role::read, .waits = true}},
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
  if (const auto allowed = check_role(asker, found->second.role, found->second.local_only); !allowed) {
    failed(allowed.error());
    return;
  }
  auto done = (this->*found->second.handler)(*json, asker);
  if (!done) {
    failed(done.error());
  } else if (truth_at(*json, "wait") && found->second.waits) {
    reply_when_enforced(*std::move(done), *json, std::move(reply));
  } else {
    reply(common::json_line(*done));
  }
}

void Admin::reply_when_enforced(Json answer, const Json& request, Reply reply) {
  const std::uint64_t id = next_waiting_++;
  const bool has_room = waiting_.size() < kMaxWaiting;  // each takes a descriptor, whoever asks
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
    if (!timer || !has_room) {
      finish(id, service_.give_up(wait), false);
    }
  }
}

void Admin::finish(std::uint64_t id, const Spread& spread, bool in_time) {
  auto waiting = waiting_.extract(id);
  waiting.mapped().answer["spread"] = spread_json(spread, in_time);
  name_coordinators(waiting.mapped().answer);
  waiting.mapped().reply(common::json_line(waiting.mapped().answer));
}

// Where there may be several: each knows which hosts are connected with itself, and nothing of the others'.
void Admin::name_coordinators(Json& answer) const {
  answer["coordinator"] = name_;
  if (store_.database().is_shared()) {
    answer["server_key"] = server_key_;
    answer["coordinators"] = service_.network().settings().addresses;
  }
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
  json["enforced"] = state.enforced;
  json["sent"] = state.sent;
  json["behind"] = state.behind;
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
  name_coordinators(json);
  return json;
}

Result<Json> Admin::edit_hosts(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto edit, hosts_edit_at(request));
  KRAIT_TRY(const auto bytes, decoded(request, "statement"));
  KRAIT_TRY(const auto statement, trust::parse_hosts_statement(bytes));
  const fleet::Network& now = service_.network();
  KRAIT_TRY(const auto revision,
            service_.change(
                signed_by(asker.who, now.trusted().lists.back().value, statement.signer), edit_text(edit, now),
                [&](const fleet::Network& network) { return network.edit_hosts(edit, statement, clock_.unix_s()); }));
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

Result<Json> Admin::add_token(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto bytes, decoded(request, "grant"));
  fleet::Token token{.note = text_at(request, "note"), .who = asker.who};
  if (token.note.size() > kMaxNoteBytes || config::printable(token.note) != token.note) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("a token's note is a line of at most {} bytes, without control characters", kMaxNoteBytes));
  }
  KRAIT_TRY(token.grant, trust::parse_grant(bytes));
  const std::string who = signed_by(asker.who, service_.network().trusted().lists.back().value, token.grant.signer);
  KRAIT_TRY(const auto revision,
            service_.change(who, fmt::format("token for {}", token.grant.value.identity),
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
  if (!(statement == service_.network().trusted().policy)) {  // else asked once more by who did not hear the answer
    KRAIT_TRY(auto text, text_in(request));
    const std::string who = signed_by(asker.who, service_.network().trusted().lists.back().value, statement.signer);
    fleet::PolicyText policy{
        .text = std::move(text), .who = who, .what = what_of_policy(request), .at_s = clock_.unix_s()};
    KRAIT_CHECK(service_.change(who, fmt::format("policy: {}", policy.what), [&](const fleet::Network& network) {
      return network.apply_policy(policy, statement);
    }));
  }
  Json json = answer();
  json["revision"] = service_.revision();
  json["policy"] = service_.network().policies().rbegin()->first;
  json["online"] = service_.online();
  return json;
}

Result<Json> Admin::change_admins(const Json& request, const Asker& asker) {
  fleet::AdminsEdit edit;
  if (common::find_member(request, "list") != nullptr) {
    KRAIT_TRY(const auto list, decoded(request, "list"));
    KRAIT_TRY(edit.list, trust::parse_admin_list(list));
  }
  KRAIT_TRY(const auto hosts, decoded(request, "statement"));
  KRAIT_TRY(edit.hosts_statement, trust::parse_hosts_statement(hosts));
  KRAIT_TRY(const auto policy, decoded(request, "policy_statement"));
  KRAIT_TRY(edit.policy_statement, trust::parse_policy_statement(policy));
  KRAIT_TRY(edit.hosts, hosts_edit_at(request));
  const trust::AdminList& former = service_.network().trusted().lists.back().value;
  const std::string what =
      edit.list ? admins_text(former, edit.list->value)
                : fmt::format("everything is signed anew, as revision {}", edit.hosts_statement.value.revision);
  const crypto::VerifyKey& signer = edit.list ? edit.list->signer : edit.hosts_statement.signer;
  KRAIT_TRY(const auto revision,
            service_.change(signed_by(asker.who, former, signer), what, [&](const fleet::Network& network) {
              return network.change_admins(edit, clock_.unix_s());
            }));
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

// The name and the prefixes, out of which hosts have their addresses, stay what `init` made them.
Result<Json> Admin::set_settings(const Json& request, const Asker& asker) {
  const Json& asked = common::object_at(request, "settings");
  KRAIT_TRY(auto settings, fleet::parse_settings(asked.dump(-1, ' ', false, Json::error_handler_t::replace)));
  KRAIT_CHECK(check_settings(asked, settings));
  KRAIT_TRY(const auto revision, service_.change(asker.who, "settings of the network",
                                                 [&](const fleet::Network& network) -> Result<std::vector<fleet::Row>> {
                                                   settings.name = network.settings().name;
                                                   settings.prefixes = network.settings().prefixes;
                                                   settings.last_host = network.settings().last_host;
                                                   settings.made_s = network.settings().made_s;
                                                   return fleet::Network::update_settings(settings);
                                                 }));
  Json json = answer();
  json["revision"] = revision;
  return json;
}

// One step of two; hosts answer by what they announce, which `hosts` shows.
Result<Json> Admin::rotate_keys(const Json& request, const Asker& asker) {
  std::set<std::string> hosts;
  std::string names;
  for (const Json& name : common::list_at(request, "hosts")) {
    const std::string host = name.is_string() ? name.get<std::string>() : "";
    if (service_.network().find_host(host) == nullptr) {
      return Error(ErrorCode::not_found, fmt::format("there is no host {}; see krait-coordinator host list", host));
    }
    names += (names.empty() ? "" : ", ") + host;
    hosts.insert(host);
  }
  const bool go = truth_at(request, "go");
  KRAIT_CHECK(store_.note(
      asker.who,
      fmt::format("{} {}", go ? "keys are changed:" : "keys are to be announced:", names.empty() ? "all hosts" : names),
      clock_.unix_s()));
  Json json = answer();
  json["told"] = service_.rotate_keys(hosts, go);
  json["revision"] = service_.revision();
  name_coordinators(json);
  return json;
}

// Of this coordinator's hosts, for a change that another one has made.
Result<Json> Admin::await(const Json& request, const Asker& /*asker*/) {
  if (service_.revision() < number_at(request, "revision")) {
    KRAIT_CHECK(service_.catch_up());
  }
  if (service_.revision() < number_at(request, "revision")) {
    return Error(ErrorCode::unavailable, "this coordinator keeps its books somewhere else");
  }
  Json json = answer();
  json["revision"] = service_.revision();
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
