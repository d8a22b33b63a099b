// What every program of ours that runs until it is told to end has around what it does: the command line, the log, how
// it says that it failed, and its exit code.
#pragma once

#include <functional>
#include <string>

#include "common/cli/options.h"
#include "common/log.h"
#include "common/result.h"

namespace common {

struct Frame {
  std::string program;                          // its name, in the log too
  std::function<void(cli::Command)> add_flags;  // what it takes; parsing fills what the caller has lent
  std::function<Result<void>(Log&)> serve;      // until it ends
  bool has_secrets = false;                     // keys pass through its memory, which must not get into a file
};

// The program's exit code: 0 ended (or help was asked for), 1 wrong use or configuration, 2 failure at run time, memory
// that was not to be had among them. A failure is in the log, and whoever started the program is told
// (common/event/notify.h).
int run_in_frame(int argc, const char* const* argv, const Frame& frame);

}  // namespace common
