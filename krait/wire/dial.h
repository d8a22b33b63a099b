// Sockets for connections.
#pragma once

#include <cstdint>
#include <optional>

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"

namespace krait::wire {

// A TCP socket on its way there; does not block.
common::Result<common::Fd> dial(const common::Endpoint& to);

// A listening TCP socket. `port` may be 0 for any.
common::Result<common::Fd> listen_on(const common::Ip& ip, std::uint16_t port);
// Where a socket is bound.
common::Result<common::Endpoint> own_endpoint(int fd);
// Whom a socket is connected with, IPv4 as such also where the socket is of both families; nothing: it is no connected
// TCP socket.
std::optional<common::Endpoint> peer_endpoint(int fd);

}  // namespace krait::wire
