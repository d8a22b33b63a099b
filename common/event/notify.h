// Tells the service manager or whoever started this process how that went, in the lines of sd_notify(3).
#pragma once

#include <string_view>

namespace common {

// Names the descriptor of a connected socket, from whoever started the process and handed it on, as `krait up` does.
inline constexpr const char* kNoticeVariable = "KRAIT_NOTICE_FD";

// Sends to that socket, and to the one that NOTIFY_SOCKET names (a service manager's); nothing happens when there is
// neither. Best effort, does not block.
void notify_ready(std::string_view status);
// To a watchdog, when the manager has one (WATCHDOG_USEC, sd_watchdog_enabled(3)).
void notify_alive();
void notify_failed(std::string_view why);

}  // namespace common
