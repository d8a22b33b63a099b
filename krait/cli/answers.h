// The agent's answers as text for people. An answer may be another version's, or no agent's: what is missing or of
// another kind reads as nothing. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krait/control/protocol.h"

namespace krait::cli {

using control::Json;

// A member of an object; `otherwise` when `json` is no object, or has no such member of that kind.
std::string text_at(const Json& json, const char* key, const char* otherwise);
std::uint64_t number_at(const Json& json, const char* key);  // else 0
const Json& object_at(const Json& json, const char* key);    // else an empty one
const Json& list_at(const Json& json, const char* key);      // else an empty one

std::string status_text(const Json& status);
std::string rules_text(const Json& rules);
std::string reload_text(const Json& applied);

}  // namespace krait::cli
