#include "krait/fleet/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/answer.h"
#include "common/base64.h"
#include "common/json.h"

namespace krait::fleet {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

Error wrong(std::string_view what) {
  return {ErrorCode::invalid_input, fmt::format("the store holds a row that says nothing sensible: {}", what)};
}

std::string line(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

std::int64_t seconds_at(const Json& json, const char* key) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(common::number_at(json, key), 253'402'300'799));
}

template <typename T>
T small_at(const Json& json, const char* key) {
  return static_cast<T>(std::min<std::uint64_t>(common::number_at(json, key), std::numeric_limits<T>::max()));
}

Result<std::string> bytes_at(const Json& json, const char* key) {
  const auto bytes = common::from_base64(common::text_at(json, key));
  if (!bytes) {
    return wrong(key);
  }
  return string_of(*bytes);
}

Json endpoints_json(const std::vector<common::Endpoint>& endpoints) {
  Json list = Json::array();
  for (const common::Endpoint& endpoint : endpoints) {
    list.push_back(endpoint.text());
  }
  return list;
}

std::vector<common::Endpoint> endpoints_at(const Json& json, const char* key) {
  std::vector<common::Endpoint> endpoints;
  for (const Json& text : common::list_at(json, key)) {
    if (const auto endpoint = text.is_string() ? common::Endpoint::parse(text.get<std::string>()) : std::nullopt) {
      endpoints.push_back(*endpoint);
    }
  }
  return endpoints;
}

Result<Json> parsed(std::string_view text, std::string_view what) {
  auto json = common::parse_json_object(text);
  return json ? Result<Json>(*std::move(json)) : wrong(what);
}

}  // namespace

trust::BytesView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string string_of(trust::BytesView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string key_of(std::uint64_t number) { return fmt::format("{:020}", number); }

std::string text_of(const Settings& settings) {
  Json prefixes = Json::array();
  for (const common::Prefix& prefix : settings.prefixes) {
    prefixes.push_back(prefix.text());
  }
  return line({{"name", settings.name},
               {"prefixes", std::move(prefixes)},
               {"approval", settings.approval},
               {"keepalive_s", settings.keepalive_s},
               {"addresses", settings.addresses},
               {"made_s", settings.made_s},
               {"last_host", settings.last_host}});
}

Result<Settings> parse_settings(std::string_view text) {
  KRAIT_TRY(const auto json, parsed(text, "the settings"));
  Settings settings{.name = common::text_at(json, "name"),
                    .approval = common::truth_at(json, "approval"),
                    .keepalive_s = small_at<std::uint16_t>(json, "keepalive_s"),
                    .made_s = seconds_at(json, "made_s"),
                    .last_host = common::number_at(json, "last_host")};
  for (const Json& prefix : common::list_at(json, "prefixes")) {
    const auto read = prefix.is_string() ? common::Prefix::parse(prefix.get<std::string>()) : std::nullopt;
    if (!read) {
      return wrong("a prefix in the settings");
    }
    settings.prefixes.push_back(read->masked());
  }
  for (const Json& address : common::list_at(json, "addresses")) {
    settings.addresses.push_back(address.is_string() ? address.get<std::string>() : "");
  }
  return settings;
}

std::string text_of(const Host& host) {
  return line({{"number", host.number},
               {"name", host.name},
               {"link_key", common::to_base64(host.link_key)},
               {"endpoints", endpoints_json(host.endpoints)},
               {"seen", host.seen ? Json(host.seen->text()) : Json()},
               {"mapped", host.mapped ? Json(host.mapped->text()) : Json()},
               {"listen_port", host.listen_port},
               {"behind_nat", host.behind_nat},
               {"waits_for_approval", host.waits_for_approval},
               {"left", host.left},
               {"token", host.token},
               {"joined_s", host.joined_s}});
}

Result<Host> parse_host(std::string_view text) {
  KRAIT_TRY(const auto json, parsed(text, "a host"));
  Host host{.number = common::number_at(json, "number"),
            .name = common::text_at(json, "name"),
            .endpoints = endpoints_at(json, "endpoints"),
            .seen = common::Ip::parse(common::text_at(json, "seen")),
            .mapped = common::Endpoint::parse(common::text_at(json, "mapped")),
            .listen_port = small_at<std::uint16_t>(json, "listen_port"),
            .behind_nat = common::truth_at(json, "behind_nat"),
            .waits_for_approval = common::truth_at(json, "waits_for_approval"),
            .left = common::truth_at(json, "left"),
            .token = common::text_at(json, "token"),
            .joined_s = seconds_at(json, "joined_s")};
  KRAIT_TRY(const auto key, bytes_at(json, "link_key"));
  if (host.number == 0 || host.name.empty() || key.size() != host.link_key.size()) {
    return wrong("a host without number, name or key");
  }
  std::ranges::transform(key, host.link_key.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return host;
}

std::string text_of(const Token& token) {
  return line({{"grant", common::to_base64(trust::encode(token.grant))},
               {"note", token.note},
               {"who", token.who},
               {"uses_left", token.uses_left}});
}

Result<Token> parse_token(std::string_view text) {
  KRAIT_TRY(const auto json, parsed(text, "a token"));
  KRAIT_TRY(const auto grant, bytes_at(json, "grant"));
  Token token{.note = common::text_at(json, "note"),
              .who = common::text_at(json, "who"),
              .uses_left = small_at<std::uint32_t>(json, "uses_left")};
  KRAIT_TRY(token.grant, trust::parse_grant(view_of(grant)));
  return token;
}

std::string text_of(const PolicyText& policy) {
  return line({{"number", policy.number},
               {"who", policy.who},
               {"what", policy.what},
               {"at_s", policy.at_s},
               {"rules", policy.rules},
               {"identities", policy.identities}}) +
         '\n' + policy.text;
}

// A line, and behind it the text as it is; the first release's rows have it in the line.
Result<PolicyText> parse_policy_text(std::string_view text) {
  const std::size_t end = text.find('\n');
  KRAIT_TRY(const auto json, parsed(text.substr(0, end), "a policy"));
  const bool is_behind = end != std::string_view::npos;
  PolicyText policy{.number = common::number_at(json, "number"),
                    .text = is_behind ? std::string(text.substr(end + 1)) : common::text_at(json, "text"),
                    .who = common::text_at(json, "who"),
                    .what = common::text_at(json, "what"),
                    .at_s = seconds_at(json, "at_s"),
                    .rules = common::number_at(json, "rules"),
                    .identities = common::number_at(json, "identities")};
  return policy.number == 0 ? Result<PolicyText>(wrong("a policy without a number")) : policy;
}

std::string joined_text(const trust::Joined& joined) {
  return line({{"grant", common::to_base64(trust::encode(joined.grant))},
               {"host", common::to_base64(trust::encode(joined.host))}});
}

Result<trust::Joined> parse_joined(std::string_view text) {
  KRAIT_TRY(const auto json, parsed(text, "a host that joined"));
  KRAIT_TRY(const auto grant, bytes_at(json, "grant"));
  KRAIT_TRY(const auto host, bytes_at(json, "host"));
  trust::Joined joined;
  KRAIT_TRY(joined.grant, trust::parse_grant(view_of(grant)));
  KRAIT_TRY(joined.host, trust::parse_joined_host(view_of(host)));
  return joined;
}

Result<trust::Signed<trust::AdminList>> admin_list_at(std::string_view base64) {
  const auto bytes = common::from_base64(std::string(base64));
  return trust::parse_admin_list(bytes ? *bytes : trust::Bytes());
}

}  // namespace krait::fleet
