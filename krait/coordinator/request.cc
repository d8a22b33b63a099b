#include "krait/coordinator/request.h"

#include <fmt/format.h>

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

bool truth_at(const Json& json, const char* key) {
  const Json* member = common::find_member(json, key);
  return member != nullptr && member->is_boolean() && member->get<bool>();
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
  KRAIT_TRY(auto settings, fleet::parse_settings(asked.dump(-1, ' ', false, Json::error_handler_t::replace)));
  KRAIT_CHECK(check_settings(asked, settings));
  return settings;
}

}  // namespace krait::coordinator
