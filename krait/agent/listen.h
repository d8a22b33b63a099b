// The metrics page's TCP socket.
#pragma once

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"

namespace krait::agent {

bool is_loopback(const common::Ip& ip);  // 127.0.0.0/8 or ::1

// A listening, non-blocking socket. Fails with invalid_input for an address that is not loopback: the page has no
// authentication.
common::Result<common::Fd> listen_tcp(const common::Endpoint& endpoint);

}  // namespace krait::agent
