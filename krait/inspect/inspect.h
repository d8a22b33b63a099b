// What `krait doctor`, `krait debug bundle` and `krait trace` do.
#pragma once

#include <string>

#include "common/result.h"
#include "krait/cli/command.h"

namespace krait::inspect {

common::Result<void> examine(const cli::InspectionFlags& flags, cli::Output& output);
common::Result<void> bundle(const cli::InspectionFlags& flags, const std::string& file, cli::Output& output);
common::Result<void> trace(const cli::TraceFlags& flags, cli::Output& output);

}  // namespace krait::inspect
