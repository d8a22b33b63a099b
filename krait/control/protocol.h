// The control socket's language, docs/cli.md: one JSON object a line each way. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/model/policy.h"

namespace krait::control {

using common::Json;

inline constexpr int kProtocolVersion = 1;
inline constexpr const char* kDefaultSocket = "/run/krait/krait.sock";

enum class Request : std::uint8_t { status, rules, reload, down, drain, rotate_key };

// One line without its newline. Fails with invalid_input and words for the client.
common::Result<Request> parse_request(std::string_view line);
std::string request_line(Request request);  // newline included

// Everything but the status is for those who may change something.
bool needs_right(Request request);

// {"version":1,"error":TEXT,"code":CODE,"diagnostics":[{file,line,column,message,hint}]}.
Json error_json(const common::Error& error);
// What error_json() made, as it came over the socket.
common::Error error_from_json(const Json& json);

Json findings_json(const std::vector<common::Diagnostic>& findings);
std::vector<common::Diagnostic> findings_from_json(const Json& list);

struct AgentFacts {
  std::string config_file;
  std::int64_t pid = 0;
  std::int64_t now_s = 0;  // Unix time, for the age of handshakes
};

// What a program that ends for this error exits with: 1 wrong use or configuration, 2 failure at run time.
int exit_code(const common::Error& error);

// {"version":1,"interface":...}: see docs/cli.md.
Json status_json(const State& state, const model::Policy& policy, const AgentFacts& facts);
Json applied_json(const Applied& applied);
// Every rule with its counter, and the identities' numbers.
Json rules_json(const Rules& rules, const model::Policy& policy);

// One line, newline included; bytes that are no UTF-8 are replaced.
std::string json_line(const Json& json);
// Nothing: not one JSON object.
std::optional<Json> parse_json_object(std::string_view text);

// The label of a drop reason (krait/abi/reasons.h); empty for none.
std::string_view reason_label(std::uint32_t reason);
std::string_view attachment_name(datapath::Attachment attachment);

}  // namespace krait::control
