#include "krait/coordinator/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "common/base64.h"
#include "common/ip.h"
#include "krait/config/findings.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

enum class MemberKind : std::uint8_t { truth, number, text, texts, object };

// One name means the same in all requests.
using Members = std::map<std::string_view, MemberKind>;

const Members& members_of_requests() {
  static const Members kMembers{
      {"base", MemberKind::number},      {"book", MemberKind::truth},         {"file", MemberKind::text},
      {"go", MemberKind::truth},         {"grant", MemberKind::text},         {"host", MemberKind::text},
      {"hosts", MemberKind::texts},      {"list", MemberKind::text},          {"most", MemberKind::number},
      {"note", MemberKind::text},        {"policy", MemberKind::number},      {"policy_statement", MemberKind::text},
      {"put", MemberKind::texts},        {"remove", MemberKind::texts},       {"request", MemberKind::text},
      {"revision", MemberKind::number},  {"rollback_to", MemberKind::number}, {"same_first", MemberKind::number},
      {"same_last", MemberKind::number}, {"settings", MemberKind::object},    {"statement", MemberKind::text},
      {"take_back", MemberKind::texts},  {"text", MemberKind::text},          {"timeout_ms", MemberKind::number},
      {"wait", MemberKind::truth},
  };
  return kMembers;
}

const Members& members_of_settings() {
  static const Members kMembers{
      {"addresses", MemberKind::texts},  {"approval", MemberKind::truth}, {"keepalive_s", MemberKind::number},
      {"last_host", MemberKind::number}, {"made_s", MemberKind::number},  {"name", MemberKind::text},
      {"prefixes", MemberKind::texts},
  };
  return kMembers;
}

std::string_view text_of(MemberKind kind) {
  switch (kind) {
    case MemberKind::truth:
      return "true or false";
    case MemberKind::number:
      return "a whole number that is not negative";
    case MemberKind::text:
      return "a text";
    case MemberKind::texts:
      return "a list of texts";
    case MemberKind::object:
      return "an object";
  }
  return "";
}

bool is_of(MemberKind kind, const Json& json, const char* key) {
  const Json& value = *common::find_member(json, key);
  switch (kind) {
    case MemberKind::truth:
      return value.is_boolean();
    case MemberKind::number:
      return common::find_number(json, key).has_value();
    case MemberKind::text:
      return value.is_string();
    case MemberKind::texts:
      return value.is_array() && std::ranges::all_of(value, [](const Json& each) { return each.is_string(); });
    case MemberKind::object:
      return value.is_object();
  }
  return false;
}

// A name that is not there is a newer version's.
Result<void> check_kinds(const Json& json, const Members& members) {
  for (const auto& [name, kind] : members) {
    if (common::find_member(json, name.data()) != nullptr && !is_of(kind, json, name.data())) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("the request is malformed: {} is not {}; nothing was done", name, text_of(kind)));
    }
  }
  return {};
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

Result<void> check_members(const Json& request) {
  KRAIT_CHECK(check_kinds(request, members_of_requests()));
  return check_kinds(common::object_at(request, "settings"), members_of_settings());
}

Result<void> check_present(const Json& request, const char* key) {
  return common::find_member(request, key) != nullptr
             ? Result<void>()
             : Error(ErrorCode::invalid_input, fmt::format("the request lacks {}; nothing was done", key));
}

Result<trust::Bytes> decoded_at(const Json& request, const char* key) {
  auto bytes = common::from_base64(text_at(request, key));
  return bytes && !bytes->empty() ? Result<trust::Bytes>(*std::move(bytes))
                                  : Error(ErrorCode::invalid_input, fmt::format("the request lacks {}", key));
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

Result<fleet::Settings> settings_at(const Json& request) {
  const Json& asked = common::object_at(request, "settings");
  for (const char* key : {"addresses", "approval", "keepalive_s"}) {
    KRAIT_CHECK(check_present(asked, key));
  }
  KRAIT_TRY(auto settings, fleet::parse_settings(asked.dump(-1, ' ', false, Json::error_handler_t::replace)));
  KRAIT_CHECK(check_settings(asked, settings));
  return settings;
}

}  // namespace krait::coordinator
