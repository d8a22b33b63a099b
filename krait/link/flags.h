// The command line of krait-link.
#pragma once

#include "common/cli/options.h"
#include "krait/link/run.h"

namespace krait::link {

void add_flags(common::cli::Command command, Options& options);

}  // namespace krait::link
