// The command line of krait-link.
#pragma once

#include "krait/link/run.h"

namespace CLI {
class App;
}

namespace krait::link {

void add_flags(CLI::App& app, Options& options);

}  // namespace krait::link
