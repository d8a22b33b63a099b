// What administrators change, or have hosts do.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "krait/config/findings.h"
#include "krait/coordinator/admin.h"
#include "krait/coordinator/audit_text.h"
#include "krait/coordinator/request.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

constexpr std::size_t kMaxNoteBytes = 256;

// "apply" or "rollback to N".
std::string what_of_policy(const Json& request) {
  const std::uint64_t former = number_at(request, "rollback_to");
  return former == 0 ? "apply" : fmt::format("rollback to {}", former);
}

}  // namespace

Result<Json> Admin::edit_hosts(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto edit, hosts_edit_at(request));
  KRAIT_TRY(const auto bytes, decoded_at(request, "statement"));
  KRAIT_TRY(const auto statement, trust::parse_hosts_statement(bytes));
  const fleet::Network& now = service_.network();
  KRAIT_TRY(const auto revision,
            service_.change(
                signed_by(asker.who, now.trusted().lists.back().value, statement.signer), edit_text(edit, now),
                [&](const fleet::Network& network) { return network.edit_hosts(edit, statement, clock_.unix_s()); }));
  Json json = fresh_answer();
  json["revision"] = revision;
  return json;
}

Result<Json> Admin::add_token(const Json& request, const Asker& asker) {
  KRAIT_TRY(const auto bytes, decoded_at(request, "grant"));
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
  Json json = fresh_answer();
  json["revision"] = revision;
  json["known_identity"] = service_.network().trusted().policy_book.rows().contains(token.grant.value.identity);
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
  KRAIT_TRY(const auto bytes, decoded_at(request, "statement"));
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
  Json json = fresh_answer();
  json["revision"] = service_.revision();
  json["policy"] = service_.network().policies().rbegin()->first;
  json["online"] = service_.online();
  return json;
}

Result<Json> Admin::change_admins(const Json& request, const Asker& asker) {
  fleet::AdminsEdit edit;
  if (common::find_member(request, "list") != nullptr) {
    KRAIT_TRY(const auto list, decoded_at(request, "list"));
    KRAIT_TRY(edit.list, trust::parse_admin_list(list));
  }
  KRAIT_TRY(const auto hosts, decoded_at(request, "statement"));
  KRAIT_TRY(edit.hosts_statement, trust::parse_hosts_statement(hosts));
  KRAIT_TRY(const auto policy, decoded_at(request, "policy_statement"));
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
  Json json = fresh_answer();
  json["revision"] = revision;
  return json;
}

// The name and the prefixes, out of which hosts have their addresses, stay what `init` made them.
Result<Json> Admin::set_settings(const Json& request, const Asker& asker) {
  KRAIT_TRY(auto settings, settings_at(request));
  KRAIT_TRY(const auto revision, service_.change(asker.who, "settings of the network",
                                                 [&](const fleet::Network& network) -> Result<std::vector<fleet::Row>> {
                                                   settings.name = network.settings().name;
                                                   settings.prefixes = network.settings().prefixes;
                                                   settings.last_host = network.settings().last_host;
                                                   settings.made_s = network.settings().made_s;
                                                   return fleet::Network::update_settings(settings);
                                                 }));
  Json json = fresh_answer();
  json["revision"] = revision;
  return json;
}

// One step of two; hosts answer by what they announce, which `hosts` shows.
Result<Json> Admin::rotate_keys(const Json& request, const Asker& asker) {
  KRAIT_CHECK(check_present(request, "hosts"));
  KRAIT_CHECK(check_present(request, "go"));
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
  const bool go = common::truth_at(request, "go");
  KRAIT_CHECK(store_.note(
      asker.who,
      fmt::format("{} {}", go ? "keys are changed:" : "keys are to be announced:", names.empty() ? "all hosts" : names),
      clock_.unix_s()));
  Json json = fresh_answer();
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
  Json json = fresh_answer();
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
  Json json = fresh_answer();
  json["file"] = path;
  json["revision"] = service_.revision();
  return json;
}

}  // namespace krait::coordinator
