#include "krata/image/auth.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/base64.h"
#include "krata/image/json.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

bool equals_ignoring_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](char a, char b) { return (a | 32) == (b | 32); });
}

std::string_view after_separators(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t,");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

struct Parameter {
  std::string name;
  std::string value;
};

// name="value" or name=value off the front of `rest`; nothing: that is none.
std::optional<Parameter> take_parameter(std::string_view& rest) {
  rest = after_separators(rest);
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos || rest.substr(0, equals).find_first_of(" \t") != std::string_view::npos) {
    return std::nullopt;
  }
  Parameter parameter{.name = std::string(rest.substr(0, equals)), .value = {}};
  rest.remove_prefix(equals + 1);
  if (!rest.starts_with('"')) {
    const auto end = std::min(rest.find_first_of(", \t"), rest.size());
    parameter.value = rest.substr(0, end);
    rest.remove_prefix(end);
    return parameter;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return parameter;
    }
    i += rest[i] == '\\' && i + 1 < rest.size() ? 1U : 0U;
    parameter.value += rest[i];
  }
  return std::nullopt;
}

// The host of a key such as "https://registry.example/v1/"; other keys as they are.
std::string_view plain_key(std::string_view key) {
  const auto scheme = key.find("://");
  if (scheme == std::string_view::npos) {
    return key;
  }
  key.remove_prefix(scheme + 3);
  return key.substr(0, key.find('/'));
}

Result<Credentials> credentials_in(const Json& entry, std::string_view key) {
  Credentials found{.user = text_in(entry, "username").value_or(""),
                    .password = text_in(entry, "password").value_or(""),
                    .identity_token = text_in(entry, "identitytoken").value_or("")};
  if (const auto auth = text_in(entry, "auth"); auth && !auth->empty()) {
    const auto bytes = common::from_base64(*auth);
    const std::string decoded = bytes ? std::string(bytes->begin(), bytes->end()) : "";
    const auto colon = decoded.find(':');
    if (colon == std::string::npos) {
      return refused("the auth of {} is no base64 of USER:PASSWORD", printable(key));
    }
    found.user = decoded.substr(0, colon);
    found.password = decoded.substr(colon + 1);
    while (found.password.ends_with('\0')) {
      found.password.pop_back();
    }
  }
  return found;
}

}  // namespace

std::optional<Challenge> parse_challenge(std::string_view header) {
  constexpr std::string_view kBearer = "bearer";
  constexpr std::string_view kBasic = "basic";
  header = after_separators(header);
  Challenge challenge;
  challenge.bearer = equals_ignoring_case(header.substr(0, kBearer.size()), kBearer);
  if (!challenge.bearer) {
    return equals_ignoring_case(header.substr(0, kBasic.size()), kBasic) ? std::optional(challenge) : std::nullopt;
  }
  header.remove_prefix(kBearer.size());
  while (const auto parameter = take_parameter(header)) {
    if (equals_ignoring_case(parameter->name, "realm")) {
      challenge.realm = parameter->value;
    } else if (equals_ignoring_case(parameter->name, "service")) {
      challenge.service = parameter->value;
    } else if (equals_ignoring_case(parameter->name, "scope")) {
      challenge.scope = parameter->value;
    }
  }
  return challenge.realm.empty() ? std::nullopt : std::optional(std::move(challenge));
}

Result<std::optional<Credentials>> find_credentials(std::string_view text, const Reference& reference) {
  KRAIT_TRY(const auto json, parse_object(text, "the file of credentials"));
  const std::string name = reference.host + "/" + reference.repository;
  const Json* best = nullptr;
  std::string best_key;
  const Json& auths = member(json, "auths");
  if (auths.is_object()) {
    for (const auto& [key, entry] : auths.items()) {
      const std::string_view plain = plain_key(key);
      const bool fits = name == plain || name.starts_with(std::string(plain) + "/");
      if (fits && !plain.empty() && plain.size() >= best_key.size() && entry.is_object() && !entry.empty()) {
        best = &entry;
        best_key = plain;
      }
    }
  }
  if (best != nullptr) {
    KRAIT_TRY(auto found, credentials_in(*best, best_key));
    return std::optional(std::move(found));
  }
  const bool has_helper = member(json, "credHelpers").contains(reference.host) ||
                          (text_in(json, "credsStore") && auths.is_object() && auths.contains(reference.host));
  if (has_helper) {
    return Error(
        ErrorCode::unsupported,
        fmt::format("the credentials of {} lie in a credential helper, which krata does not ask; log in to a file of "
                    "their own, and name it in REGISTRY_AUTH_FILE",
                    reference.host));
  }
  return std::optional<Credentials>();
}

std::string basic_authorization(const Credentials& credentials) {
  const std::string plain = credentials.user + ":" + credentials.password;
  return "Basic " + common::to_base64({reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()});
}

Result<std::string> parse_token(std::string_view text) {
  KRAIT_TRY(const auto json, parse_object(text, "the token server's answer"));
  auto token = text_in(json, "token");
  if (!token || token->empty()) {
    token = text_in(json, "access_token");
  }
  const bool good = token && !token->empty() && std::ranges::all_of(*token, [](char c) {
                      return c > 0x20 && static_cast<unsigned char>(c) < 0x7f;
                    });
  return good ? Result<std::string>(*std::move(token)) : refused("the token server's answer has no token");
}

}  // namespace krata::image
