// The command line of krata-store.
#pragma once

#include "krata/store/run.h"

namespace CLI {
class App;
}

namespace krata::store {

struct Flags {
  Options options;
  bool without_xen = false;
};

// What the program is and takes; parsing fills `flags`, which must outlive it.
void add_flags(CLI::App& app, Flags& flags);

}  // namespace krata::store
