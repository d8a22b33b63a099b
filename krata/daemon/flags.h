// The command line of kratad.
#pragma once

#include "krata/daemon/run.h"

namespace CLI {
class App;
}

namespace krata::daemon {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(CLI::App& app, Options& options);

}  // namespace krata::daemon
