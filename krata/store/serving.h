// Who serves xenstore on this host. Domain 0's kernel takes one store alone.
#pragma once

#include <string>

namespace krata::store {

inline constexpr const char* kOwnSocket = "/run/krata-store/socket";
inline constexpr const char* kOtherSocket = "/run/xenstored/socket";  // of Xen's own daemons

// Somebody listens at the socket, and this process may connect to it.
bool is_served(const std::string& socket);

}  // namespace krata::store
