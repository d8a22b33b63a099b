// The control socket's language, docs/cli.md: one JSON object a line each way. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/answer.h"
#include "common/json.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/model/policy.h"

namespace krait::control {

using common::Json;

inline constexpr int kProtocolVersion = common::kAnswerVersion;
inline constexpr const char* kDefaultSocket = "/run/krait/krait.sock";

enum class Request : std::uint8_t {
  status,
  rules,
  reload,
  down,
  drain,
  rotate_key,
  take_state,     // what krait-link has laid ready, if administrators signed it
  confirm_state,  // krait-link has heard that what was taken last is the newest
  endpoints,      // where peers are seen
  prepare_key,    // makes the key that this host uses next, if none waits, for krait-link to announce
  allow_older,    // the next state may be older than what was seen
};

// One line without its newline. Fails with invalid_input and words for the client.
common::Result<Request> parse_request(std::string_view line);
std::string request_line(Request request);  // newline included

// Everything but the status is for those who may change something.
bool needs_right(Request request);
// Those of krait-link, whose user may change nothing else; rotate_key only once peers know the next key.
bool is_for_link(Request request);

struct AgentFacts {
  std::string config_file;
  std::int64_t pid = 0;
  std::int64_t now_s = 0;  // Unix time, for the age of handshakes
};

// {"version":1,"interface":...}: see docs/cli.md.
Json status_json(const State& state, const model::Policy& policy, const AgentFacts& facts);
Json applied_json(const Applied& applied);
Json network_json(const NetworkState& network);
// {"endpoints":[{"host":..,"endpoint":..,"handshake_s":..}]} of peers that were heard of.
Json endpoints_json(const State& state);
// Every rule with its counter, and the identities' numbers.
Json rules_json(const Rules& rules, const model::Policy& policy);

// The label of a drop reason (krait/abi/reasons.h); empty for none.
std::string_view reason_label(std::uint32_t reason);
std::string_view attachment_name(datapath::Attachment attachment);

}  // namespace krait::control
