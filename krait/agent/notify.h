// Tells the service manager or `krait up` how the start went, in the lines of sd_notify(3).
#pragma once

#include <string_view>

namespace krait::agent {

// Names the descriptor of a connected socket, for whoever started the agent and handed it on: `krait up`.
inline constexpr const char* kNoticeVariable = "KRAIT_NOTICE_FD";

// Sends to that socket, and to the one that NOTIFY_SOCKET names (a service manager's); nothing happens when there is
// neither. Best effort, does not block.
void notify_ready();
// To a watchdog, when the manager has one (WATCHDOG_USEC, sd_watchdog_enabled(3)).
void notify_alive();
void notify_failed(std::string_view why);

}  // namespace krait::agent
