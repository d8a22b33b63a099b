// The command line of krata-block.
#pragma once

#include "common/cli/options.h"
#include "krata/backend/run.h"

namespace krata::backend {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(common::cli::Command command, Options& options);

}  // namespace krata::backend
