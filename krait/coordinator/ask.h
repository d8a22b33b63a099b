// Asks a coordinator over its administrators' socket.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"

namespace krait::coordinator {

// Sends one request and waits for the answer. Fails with unavailable when nobody serves there, and with the
// coordinator's own error.
common::Result<common::Json> ask(const std::string& socket, const common::Json& request);

}  // namespace krait::coordinator
