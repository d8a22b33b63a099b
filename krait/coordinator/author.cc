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
constexpr std::size_t kMaxAnchorBytes = std::size_t{4} << 20U;

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

Result<Authority> fetch_authority(const Source& source, bool with_book) {
  KRAIT_TRY(const auto key_file, admin_key_file(source.key_file));
  KRAIT_TRY(const auto known, common::read_file(anchor_file_of(key_file), kMaxAnchorBytes), "what was signed last");
  KRAIT_TRY(const auto anchor, trust::parse_anchor(fleet::view_of(known)), anchor_file_of(key_file));
  KRAIT_TRY(const auto json, ask(source.socket, {{"request", "authority"}, {"book", with_book}}));
  Authority authority;
  for (const Json& list : common::list_at(json, "lists")) {
    const auto bytes = common::from_base64(list.is_string() ? list.get<std::string>() : "");
    KRAIT_TRY(auto parsed, trust::parse_admin_list(bytes.value_or(trust::Bytes())));
    authority.lists.push_back(std::move(parsed));
  }
  KRAIT_TRY(authority.hosts, trust::parse_hosts_statement(bytes_at(json, "hosts")));
  KRAIT_TRY(authority.policy, trust::parse_policy_statement(bytes_at(json, "policy")));
  KRAIT_TRY(authority.settings, fleet::parse_settings(common::object_at(json, "settings").dump()));
  authority.server_key = text_at(json, "server_key");
  KRAIT_TRY(const auto followed, trust::follow_statements(anchor, {authority.lists, authority.hosts, authority.policy}),
            "the coordinator shows a network to sign nothing for");
  if (followed != anchor) {
    const auto bytes = trust::encode_anchor(followed);
    KRAIT_CHECK(common::write_file(anchor_file_of(key_file), fleet::string_of(bytes), 0600));
  }
  if (with_book) {
    KRAIT_CHECK(read_book(json, authority));
  }
  return authority;
}

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

Result<Json> edit_hosts(const HostsOrder& order, const MakeEdit& make) {
  KRAIT_TRY(const auto key, load_admin_key(order.key_file));
  for (int attempt = 1;; ++attempt) {
    KRAIT_TRY(auto authority, fetch_authority({order.socket, order.key_file}, true));
    KRAIT_TRY(const auto change, make(authority));
    Result<void> edited;
    edit(authority.book, change, edited);
    KRAIT_CHECK(std::move(edited));
    const auto statement = trust::sign(trust::HostsStatement{.network = authority.lists.back().value.network,
                                                             .revision = next_revision(authority),
                                                             .policy_at_least = authority.policy.value.revision,
                                                             .made_s = now_s(),
                                                             .root = authority.book.root()},
                                       key);
    Json request = edit_json(change);
    request["statement"] = common::to_base64(trust::encode(statement));
    request["what"] = order.what;
    request["wait"] = order.wait;
    request["timeout_ms"] = order.timeout_ms;
    auto answer = ask(order.socket, request);
    if (answer || answer.error().code() != ErrorCode::unavailable || attempt == kMaxAttempts) {
      return answer;
    }
  }
}

Result<Json> policy_order(const Authority& authority, const FormerText& former, const std::string& text,
                          const crypto::SigningKey& key) {
  KRAIT_TRY(const auto model, config::parse_policy(text, "the policy"));
  KRAIT_TRY(const auto book, trust::PolicyBook::of(model, {}));
  const auto statement = trust::sign(trust::PolicyStatement{.network = authority.lists.back().value.network,
                                                            .revision = next_revision(authority),
                                                            .hosts_at_least = authority.hosts.value.revision,
                                                            .made_s = now_s(),
                                                            .root = book.root()},
                                     key);
  Json request{{"request", "policy_apply"}, {"statement", common::to_base64(trust::encode(statement))}};
  if (former.number == 0) {
    request["text"] = text;
    return request;
  }
  // What both begin and end with stays where it is; a character in several bytes is not cut, JSON has no halves.
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
  return request;
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
  return routes;
}

}  // namespace krait::coordinator
