#include "krait/link/files.h"

#include <fmt/format.h>

#include "common/answer.h"
#include "common/file.h"
#include "common/ip.h"
#include "common/json.h"

namespace krait::link {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

constexpr std::size_t kMaxFileBytes = 65536;

std::vector<std::string> endpoints_at(const Json& json, const char* key) {
  std::vector<std::string> endpoints;
  for (const Json& text : common::list_at(json, key)) {
    if (text.is_string() && common::Endpoint::parse(text.get<std::string>())) {
      endpoints.push_back(text.get<std::string>());
    }
  }
  return endpoints;
}

}  // namespace

std::string membership_text(const Membership& membership) {
  return common::json_line({{"version", 1},
                            {"name", membership.name},
                            {"addresses", membership.addresses},
                            {"server_key", wire::hash_text(membership.server_key)},
                            {"endpoints", membership.endpoints},
                            {"listen_port", membership.listen_port}});
}

Result<Membership> parse_membership(std::string_view text, const std::string& file) {
  const auto json = common::parse_json_object(text);
  const auto key = json ? wire::parse_hash(common::text_at(*json, "server_key")) : std::nullopt;
  if (!key || common::number_at(*json, "version") != 1) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is not what krait join writes; join again", file));
  }
  Membership membership{.name = common::text_at(*json, "name"),
                        .addresses = endpoints_at(*json, "addresses"),
                        .server_key = *key,
                        .endpoints = endpoints_at(*json, "endpoints"),
                        .listen_port = static_cast<std::uint16_t>(common::number_at(*json, "listen_port"))};
  if (membership.addresses.empty()) {
    return Error(ErrorCode::invalid_input, fmt::format("{} names no coordinator; join again", file));
  }
  return membership;
}

Result<Membership> load_membership(const Files& files) {
  auto text = common::read_file(files.membership(), kMaxFileBytes);
  if (!text && text.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::invalid_input, "this host has joined no network; sudo krait join TOKEN");
  }
  if (!text) {
    return text.error();
  }
  return parse_membership(*text, files.membership());
}

}  // namespace krait::link
