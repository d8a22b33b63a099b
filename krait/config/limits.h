// [limits] of krait.toml.
#pragma once

#include "krait/config/document.h"
#include "krait/config/findings.h"
#include "krait/model/limits.h"

namespace krait::config {

// What the table says, and the defaults for what it does not. `value` is a table. Numbers out of their range become
// findings.
model::Limits read_limits(const Value& value, Findings& findings);

}  // namespace krait::config
