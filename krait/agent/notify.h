// Tells the service manager (or `krait up`) how the start went: sd_notify(3)'s datagrams.
#pragma once

#include <string_view>

namespace krait::agent {

// Sends to the socket that NOTIFY_SOCKET names; nothing happens when there is none. Best effort, does not block.
void notify_ready();
// To a watchdog, when the manager has one (WATCHDOG_USEC, sd_watchdog_enabled(3)).
void notify_alive();
void notify_failed(std::string_view why);

}  // namespace krait::agent
