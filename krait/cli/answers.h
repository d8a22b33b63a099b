// The agent's answers as text for people. An answer may be another version's, or no agent's (common/json.h). Pure.
#pragma once

#include <string>

#include "common/json.h"

namespace krait::cli {

using common::Json;

std::string status_text(const Json& status);
std::string rules_text(const Json& rules);
std::string reload_text(const Json& applied);

}  // namespace krait::cli
