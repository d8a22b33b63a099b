// The command line of krata-block.
#pragma once

#include "krata/backend/run.h"

namespace CLI {
class App;
}

namespace krata::backend {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(CLI::App& app, Options& options);

}  // namespace krata::backend
