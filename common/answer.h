// How a program of ours answers in JSON, on a socket or on standard output, and how it says why it failed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace common {

// The member "version" of every answer: another one means another shape.
inline constexpr int kAnswerVersion = 1;

// One line of ASCII, newline included: what strangers call themselves in other characters may be meant for a terminal.
// Bytes that are no UTF-8 are replaced.
std::string json_line(const Json& json);
// Nothing: not one JSON object.
std::optional<Json> parse_json_object(std::string_view text);

// {"version":1,"error":TEXT,"code":CODE,"diagnostics":[{file,line,column,message,hint}]}.
Json error_json(const Error& error);
// What error_json() made, as it came over a socket.
Error error_from_json(const Json& json);

Json findings_json(const std::vector<Diagnostic>& findings);
std::vector<Diagnostic> findings_from_json(const Json& list);

// What a program that ends for this error exits with: 1 wrong use or configuration, 2 failure at run time.
int exit_code(const Error& error);

}  // namespace common
