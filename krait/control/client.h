// Asks a running agent over its control socket.
#pragma once

#include <string>

#include "common/result.h"
#include "krait/control/protocol.h"

namespace krait::control {

// Sends one request and waits for the answer (a reload blocks until the policy is in force). Fails with unavailable
// when no agent answers there, and with the agent's own error.
common::Result<Json> ask(const std::string& socket_path, Request request);

// The same of a request behind whose answer the agent ends (down, drain); comes back when its process is gone, or ten
// seconds later, so that what follows finds neither its socket nor its lock.
common::Result<Json> ask_to_end(const std::string& socket_path, Request request);

}  // namespace krait::control
