// The command line of krata-store.
#pragma once

#include "krata/store/run.h"

namespace CLI {
class App;
}

namespace krata::store {

// What the program is and takes; parsing fills `options`, which must outlive it.
void add_flags(CLI::App& app, Options& options);

}  // namespace krata::store
