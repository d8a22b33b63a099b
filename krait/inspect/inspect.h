// What `krait doctor`, `krait debug bundle` and `krait trace` do.
#pragma once

#include <string>

#include "common/result.h"
#include "krait/cli/command.h"

namespace krait::inspect {

common::Result<void> examine(const doctor::Where& where, cli::Output& output);
common::Result<void> bundle(const doctor::Where& where, const std::string& file, cli::Output& output);
common::Result<void> trace(const cli::TraceFlags& flags, cli::Output& output);

}  // namespace krait::inspect
