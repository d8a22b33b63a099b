// What the answer to "hosts" says of one host. Pure.
#pragma once

#include <string>

#include "common/json.h"

namespace krait::coordinator {

// It has neither left nor does it wait for approval.
bool takes_part(const common::Json& host);
// Half a line for people.
std::string state_text(const common::Json& host);

}  // namespace krait::coordinator
