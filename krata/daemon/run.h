// The daemon from its start to its end.
#pragma once

#include <string>

#include "common/log.h"
#include "common/result.h"
#include "krata/control/protocol.h"

namespace krata::daemon {

struct Options {
  std::string socket = control::kDefaultSocket;
  std::string state = "/var/lib/krata";
  std::string store;                      // xenstore's socket or device; empty: the one that answers
  std::string programs;                   // where krata, krata-block and krata-init are; empty: beside this program
  std::string disk_user = "krata-block";  // whose krata-block is; see its --user
  std::string metrics = "127.0.0.1:9792";
};

// Until SIGTERM or SIGINT; zones go on without it. Fails where the host is none for zones, and when xenstore ends: what
// starts it starts it again.
common::Result<void> run(const Options& options, common::Log& log);

}  // namespace krata::daemon
