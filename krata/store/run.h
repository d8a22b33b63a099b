// The program krata-store.
#pragma once

#include <string>

#include "common/log.h"
#include "common/result.h"

namespace krata::store {

struct Options {
  std::string socket;
  bool without_xen = false;  // serve neither domain 0's kernel nor zones
  std::string state;         // the folder to keep the state in; empty: none is kept
  std::string user;  // whose the process becomes when everything is open (common/confine); empty: it stays as it is
};

// What the program exits with where another one serves xenstore on this host: to start it again would change nothing.
inline constexpr int kServedExitCode = 3;

// Fails with unavailable where another program serves xenstore on this host.
common::Result<void> check_is_alone();

// Serves until SIGTERM or SIGINT. Blocks both signals for the process. Opens all files that it ever needs before it
// serves.
common::Result<void> run(const Options& options, common::Log& log);

}  // namespace krata::store
