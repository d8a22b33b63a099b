#include "krait/coordinator/author.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/base64.h"
#include "common/clock.h"
#include "common/file.h"
#include "krait/config/load.h"
#include "krait/coordinator/ask.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;
using common::text_at;

namespace {

constexpr int kMaxAttempts = 5;

trust::Bytes bytes_at(const Json& json, const char* key) {
  return common::from_base64(text_at(json, key)).value_or(trust::Bytes());
}

Error not_genuine() {
  return {ErrorCode::invalid_input,
          "the coordinator shows a network that no administrator signed; sign nothing for it"};
}

Result<void> read_book(const Json& json, Authority& authority) {
  KRAIT_TRY(authority.book, trust::HostsBook::load(bytes_at(json, "book")));
  if (authority.book.root() != authority.hosts.value.root) {
    return not_genuine();
  }
  for (const auto& [name, text] : common::object_at(json, "joined").items()) {
    KRAIT_TRY(authority.joined[name], fleet::parse_joined(text.is_string() ? text.get<std::string>() : ""));
  }
  for (const Json& name : common::list_at(json, "waiting")) {
    authority.waiting.insert(name.is_string() ? name.get<std::string>() : "");
  }
  const auto read_hashes = [&](const char* key, std::map<std::string, crypto::Hash>& into) {
    for (const auto& [name, text] : common::object_at(json, key).items()) {
      if (const auto hash = crypto::parse_hash(text.is_string() ? text.get<std::string>() : "")) {
        into[name] = *hash;
      }
    }
  };
  read_hashes("grants", authority.grants);
  return {};
}

void edit(trust::HostsBook& book, const fleet::HostsEdit& change, Result<void>& done) {
  for (const std::string& name : change.remove) {
    book.remove(name);
  }
  for (const crypto::Hash& hash : change.take_back) {
    book.take_back(hash);
  }
  for (const trust::HostBinding& binding : change.put) {
    if (done) {
      done = book.put(binding);
    }
  }
}

Json edit_json(const fleet::HostsEdit& change) {
  Json json{{"request", "hosts_edit"}, {"put", Json::array()}, {"remove", change.remove}, {"take_back", Json::array()}};
  for (const trust::HostBinding& binding : change.put) {
    json["put"].push_back(common::to_base64(trust::encode(binding)));
  }
  for (const crypto::Hash& hash : change.take_back) {
    json["take_back"].push_back(crypto::hash_text(hash));
  }
  return json;
}

// Both statements count on: neither goes back, and each says which one of the other its signer knew.
std::uint64_t next_revision(const Authority& authority) {
  return std::max(authority.hosts.value.revision, authority.policy.value.revision) + 1;
}

// Of the book as it is now.
trust::Signed<trust::HostsStatement> hosts_statement(const Authority& authority, const crypto::SigningKey& key) {
  return trust::sign(trust::HostsStatement{.network = authority.lists.back().value.network,
                                           .revision = next_revision(authority),
                                           .policy_at_least = authority.policy.value.revision,
                                           .made_s = now_s(),
                                           .root = authority.book.root()},
                     key);
}

// What this machine has signed it has seen, whatever a coordinator shows it next.
Result<void> note_signed(const Reach& reach, const trust::HostsStatement* hosts, const trust::PolicyStatement* policy) {
  KRAIT_TRY(const auto key_file, admin_key_file(reach.key));
  KRAIT_TRY(const auto known, common::read_file(anchor_file_of(key_file), kMaxAnchorBytes));
  KRAIT_TRY(auto anchor, trust::parse_anchor(fleet::view_of(known)), anchor_file_of(key_file));
  if (hosts != nullptr) {
    anchor.hosts_revision = hosts->revision;
    anchor.hosts_root = hosts->root;
  }
  if (policy != nullptr) {
    anchor.policy_revision = policy->revision;
    anchor.policy_root = policy->root;
  }
  return common::write_file(anchor_file_of(key_file), fleet::string_of(trust::encode_anchor(anchor)), 0600);
}

// Those for whom only a token vouches whose signer goes. Their tokens must not vouch for them again.
fleet::HostsEdit taken_in(const Authority& authority, const trust::AdminList& next) {
  fleet::HostsEdit change;
  for (const auto& [name, joined] : authority.joined) {
    if (authority.waiting.contains(name) || trust::may_sign_hosts(next, joined.grant.signer)) {
      continue;
    }
    if (trust::check_vouched(joined.grant, joined.host, authority.lists.back().value)) {
      change.put.push_back(joined.host.value.binding);
      change.take_back.push_back(trust::joined_id(joined.host));
    }
  }
  return change;
}

// The whole text, or of it what the former one does not have: what both begin and end with stays where it is. A
// character in several bytes is not cut, JSON has no halves.
void put_text(Json& request, const FormerText& former, const std::string& text) {
  if (former.number == 0) {
    request["text"] = text;
    return;
  }
  const auto is_inside = [](const std::string& in, std::size_t at) {
    return at < in.size() && (static_cast<unsigned char>(in[at]) & 0xC0U) == 0x80U;
  };
  auto first = static_cast<std::size_t>(std::ranges::mismatch(text, former.text).in1 - text.begin());
  for (; first > 0 && (is_inside(text, first) || is_inside(former.text, first)); --first) {
  }
  const auto most = static_cast<std::ptrdiff_t>(std::min(text.size(), former.text.size()) - first);
  auto last = static_cast<std::size_t>(std::mismatch(text.rbegin(), text.rbegin() + most, former.text.rbegin()).first -
                                       text.rbegin());
  for (; last > 0 && is_inside(text, text.size() - last); --last) {
  }
  request["base"] = former.number;
  request["same_first"] = first;
  request["same_last"] = last;
  request["text"] = text.substr(first, text.size() - last - first);
}

}  // namespace

std::int64_t now_s() { return common::now().unix_ns / 1'000'000'000; }

Result<trust::HostBinding> Authority::binding(const std::string& name) const {
  if (const trust::HostBinding* bound = book.find(name)) {
    return *bound;
  }
  if (const auto found = joined.find(name); found != joined.end()) {
    KRAIT_CHECK(trust::check_vouched(found->second.grant, found->second.host, lists.back().value));
    return found->second.host.value.binding;
  }
  return Error(ErrorCode::not_found, fmt::format("there is no host {}; see krait-coordinator host list", name));
}

std::string anchor_file_of(const std::string& key_file) { return key_file + ".anchor"; }

namespace {

Result<Authority> fetch(const Reach& reach, bool with_book, bool may_go_back) {
  KRAIT_TRY(const auto key_file, admin_key_file(reach.key));
  const auto known = common::read_file(anchor_file_of(key_file), kMaxAnchorBytes);
  if (!known && known.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::not_found,
                 fmt::format("beside {} there is no {}, which says what network it signs for; make it: "
                             "krait-coordinator admin connect INVITATION (admin invite prints one)",
                             key_file, anchor_file_of(key_file)));
  }
  if (!known) {
    return Error(known.error());
  }
  KRAIT_TRY(const auto anchor, trust::parse_anchor(fleet::view_of(*known)), anchor_file_of(key_file));
  KRAIT_TRY(const auto json, ask(reach, {{"request", "authority"}, {"book", with_book}}));
  Authority authority;
  for (const Json& list : common::list_at(json, "lists")) {
    KRAIT_TRY(auto parsed, fleet::admin_list_at(list.is_string() ? list.get<std::string>() : ""));
    authority.lists.push_back(std::move(parsed));
  }
  KRAIT_TRY(authority.hosts, trust::parse_hosts_statement(bytes_at(json, "hosts")));
  KRAIT_TRY(authority.policy, trust::parse_policy_statement(bytes_at(json, "policy")));
  KRAIT_TRY(authority.settings, fleet::parse_settings(common::object_at(json, "settings").dump()));
  authority.server_key = text_at(json, "server_key");
  KRAIT_TRY(const auto followed,
            trust::follow_statements(anchor, {authority.lists, authority.hosts, authority.policy}, may_go_back),
            "the coordinator shows a network to sign nothing for");
  authority.seen = std::max(anchor.hosts_revision, anchor.policy_revision);
  // An older list behind it would say who may vouch.
  if (authority.lists.empty() || !(followed.list == authority.lists.back())) {
    return not_genuine();
  }
  if (followed != anchor && !may_go_back) {
    const auto bytes = trust::encode_anchor(followed);
    KRAIT_CHECK(common::write_file(anchor_file_of(key_file), fleet::string_of(bytes), 0600));
  }
  if (with_book) {
    KRAIT_CHECK(read_book(json, authority));
  }
  return authority;
}

}  // namespace

Result<Authority> fetch_authority(const Reach& reach, bool with_book) { return fetch(reach, with_book, false); }

Result<Authority> fetch_restored_authority(const Reach& reach) { return fetch(reach, true, true); }

Result<std::string> admin_key_file(const std::string& given) {
  if (!given.empty()) {
    return given;
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') {
    return Error(ErrorCode::invalid_input, "there is no home folder with an administrator's key; name one with --key");
  }
  return std::string(home) + "/.config/krait/admin.key";
}

Result<crypto::SigningKey> load_admin_key(const std::string& given) {
  KRAIT_TRY(const auto file, admin_key_file(given));
  auto key = crypto::SigningKey::load(file, "krait-coordinator init");
  if (!key && key.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::not_found,
                 fmt::format("there is no administrator's key in {}; this is to be done where it is", file));
  }
  return key;
}

namespace {

void add_spread(const Json& other, Json& spread) {
  spread["concerned"] = common::number_at(spread, "concerned") + common::number_at(other, "concerned");
  spread["enforcing"] = common::number_at(spread, "enforcing") + common::number_at(other, "enforcing");
  spread["last_ms"] = std::max(spread.value("last_ms", 0.0), other.value("last_ms", 0.0));
  spread["in_time"] = spread.value("in_time", false) && other.value("in_time", false);
  for (const Json& failing : common::list_at(other, "failing")) {
    spread["failing"].push_back(failing);
  }
}

// Each coordinator knows of its own hosts alone. One that went from one to another meanwhile is counted where it went.
void await_others(const Reach& reach, std::uint32_t timeout_ms, Json& answer) {
  if (!answer.contains("spread")) {
    return;
  }
  const Others others = ask_others(reach, answer,
                                   {{"request", "await"},
                                    {"revision", common::number_at(answer, "revision")},
                                    {"wait", true},
                                    {"timeout_ms", timeout_ms}});
  for (const Json& other : others.answers) {
    add_spread(common::object_at(other, "spread"), answer["spread"]);
  }
  answer["spread"]["silent"] = others.silent;
}

}  // namespace

Result<Json> edit_hosts(const HostsOrder& order, const MakeEdit& make) {
  KRAIT_TRY(const auto key, load_admin_key(order.reach.key));
  for (int attempt = 1;; ++attempt) {
    KRAIT_TRY(auto authority, fetch_authority(order.reach, true));
    KRAIT_TRY(const auto change, make(authority));
    Result<void> edited;
    edit(authority.book, change, edited);
    KRAIT_CHECK(std::move(edited));
    const auto statement = hosts_statement(authority, key);
    Json request = edit_json(change);
    request["statement"] = common::to_base64(trust::encode(statement));
    request["wait"] = order.wait;
    request["timeout_ms"] = order.timeout_ms;
    auto answer = ask(order.reach, request);
    if (answer) {
      KRAIT_CHECK(note_signed(order.reach, &statement.value, nullptr));
      await_others(order.reach, order.timeout_ms, *answer);
    }
    if (answer || answer.error().code() != ErrorCode::unavailable || attempt == kMaxAttempts) {
      return answer;
    }
  }
}

Result<Json> change_admins(const Reach& reach, const crypto::SigningKey* successor, const MakeAdmins& make) {
  KRAIT_TRY(const auto key, load_admin_key(reach.key));
  const crypto::SigningKey& signer = successor == nullptr ? key : *successor;
  for (int attempt = 1;; ++attempt) {
    KRAIT_TRY(auto authority, fetch_authority(reach, true));
    const trust::AdminList& former = authority.lists.back().value;
    trust::AdminList next{.network = former.network, .version = former.version + 1, .administrators = {}};
    KRAIT_TRY(next.administrators, make(authority));
    std::ranges::sort(next.administrators, {}, &trust::Administrator::key);
    if (!trust::may_sign_hosts(next, signer.verify_key())) {
      return Error(ErrorCode::invalid_input,
                   "somebody who stays an admin has to do that: what hosts believe is signed anew with it");
    }
    const fleet::HostsEdit change = taken_in(authority, next);
    Result<void> edited;
    edit(authority.book, change, edited);
    KRAIT_CHECK(std::move(edited));
    trust::PolicyStatement policy = authority.policy.value;
    policy.revision = next_revision(authority);
    policy.hosts_at_least = authority.hosts.value.revision;
    policy.made_s = now_s();
    Json request = edit_json(change);
    request["request"] = "admins_change";
    request["list"] = common::to_base64(trust::encode(trust::sign(next, key)));
    const auto hosts = hosts_statement(authority, signer);
    request["statement"] = common::to_base64(trust::encode(hosts));
    request["policy_statement"] = common::to_base64(trust::encode(trust::sign(policy, signer)));
    auto answer = ask(reach, request);
    if (answer && successor == nullptr) {
      // The list too: from the next time on, when it is followed.
      KRAIT_CHECK(note_signed(reach, &hosts.value, &policy));
    }
    if (answer || answer.error().code() != ErrorCode::unavailable || attempt == kMaxAttempts) {
      return answer;
    }
  }
}

Result<Json> sign_anew(const Reach& reach, std::uint64_t above) {
  KRAIT_TRY(const auto key, load_admin_key(reach.key));
  KRAIT_TRY(const auto authority, fetch_restored_authority(reach));
  trust::HostsStatement hosts = authority.hosts.value;
  trust::PolicyStatement policy = authority.policy.value;
  hosts.revision = std::max({next_revision(authority), authority.seen + 1, above + 1});
  policy.revision = hosts.revision;
  hosts.policy_at_least = policy.revision;  // with nothing older
  policy.hosts_at_least = hosts.revision;
  hosts.made_s = now_s();
  policy.made_s = hosts.made_s;
  Json request = edit_json({});
  request["request"] = "admins_change";
  request["statement"] = common::to_base64(trust::encode(trust::sign(hosts, key)));
  request["policy_statement"] = common::to_base64(trust::encode(trust::sign(policy, key)));
  KRAIT_TRY(auto answer, ask(reach, request));
  KRAIT_CHECK(note_signed(reach, &hosts, &policy));
  answer["signed_revision"] = hosts.revision;
  return answer;
}

Result<SignedPolicy> sign_policy(const Authority& authority, const FormerText& former, const std::string& text,
                                 const crypto::SigningKey& key) {
  KRAIT_TRY(const auto model, config::parse_policy(text, "the policy"));
  KRAIT_TRY(const auto book, trust::PolicyBook::of(model));
  SignedPolicy made{.statement = {.network = authority.lists.back().value.network,
                                  .revision = next_revision(authority),
                                  .hosts_at_least = authority.hosts.value.revision,
                                  .made_s = now_s(),
                                  .root = book.root()},
                    .request = {{"request", "policy_apply"}}};
  made.request["statement"] = common::to_base64(trust::encode(trust::sign(made.statement, key)));
  put_text(made.request, former, text);
  return made;
}

Result<Json> apply_policy(const PolicyOrder& order) {
  KRAIT_TRY(const auto key, load_admin_key(order.reach.key));
  KRAIT_TRY(const auto authority, fetch_authority(order.reach, false));
  KRAIT_TRY(auto made, sign_policy(authority, order.former, order.text, key));
  made.request["rollback_to"] = order.rollback_to;
  made.request["wait"] = order.wait;
  made.request["timeout_ms"] = order.timeout_ms;
  KRAIT_TRY(auto answer, ask(order.reach, made.request));
  KRAIT_CHECK(note_signed(order.reach, nullptr, &made.statement));
  await_others(order.reach, order.timeout_ms, answer);
  return answer;
}

Result<std::vector<trust::Route>> routes_of(const std::string& text) {
  std::vector<trust::Route> routes;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    const std::size_t equals = word.find('=');
    const auto prefix = common::Prefix::parse(word.substr(0, equals));
    if (!prefix || equals == std::string::npos || prefix->has_host_bits() || equals + 1 == word.size()) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("\"{}\" is no route; write 10.20.0.0/16=office, several with commas", word));
    }
    routes.push_back({*prefix, word.substr(equals + 1)});
    at = end + 1;
  }
  std::ranges::sort(routes);
  const auto twice = std::ranges::adjacent_find(routes, {}, &trust::Route::prefix);
  if (twice != routes.end()) {
    return Error(ErrorCode::invalid_input, fmt::format("the route {} is there twice", twice->prefix.text()));
  }
  return routes;
}

}  // namespace krait::coordinator
