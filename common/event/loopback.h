// The metrics page's TCP socket.
#pragma once

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"

namespace common {

bool is_loopback(const Ip& ip);  // 127.0.0.0/8 or ::1

// A listening, non-blocking socket. Fails with invalid_input for an address that is not loopback: the page has no
// authentication.
Result<Fd> listen_tcp(const Endpoint& endpoint);

}  // namespace common
