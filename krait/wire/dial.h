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
// The address that this host would call from, as its routes are now; nothing is sent. Nothing: there is no way.
std::optional<common::Ip> source_towards(const common::Endpoint& to);
// Whom a socket is connected with; nothing: it is no connected TCP socket.
std::optional<common::Endpoint> peer_endpoint(int fd);

}  // namespace krait::wire
