// The command line of kratad.
#pragma once

#include "common/cli/options.h"
#include "krata/daemon/run.h"

namespace krata::daemon {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(common::cli::Command command, Options& options);

}  // namespace krata::daemon
