// The command line of krata-store.
#pragma once

#include "common/cli/options.h"
#include "krata/store/run.h"

namespace krata::store {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(common::cli::Command command, Options& options);

}  // namespace krata::store
