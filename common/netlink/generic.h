// Generic netlink's families, by the names that they have.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/netlink/socket.h"
#include "common/result.h"

namespace netlink {

// The number that this kernel gave to a family. `socket` is one of NETLINK_GENERIC. ENOENT where there is none. Blocks
// for the kernel's answer only.
common::Result<std::uint16_t> find_family(Socket& socket, std::string_view name);

}  // namespace netlink
