// What the commands do for which krait becomes krait-inspect (krait/cli/inspections.h).
#pragma once

#include <string>

#include "common/result.h"
#include "krait/cli/command.h"

namespace krait::inspect {

common::Result<void> examine(const cli::InspectionFlags& flags, cli::Output& output);
common::Result<void> bundle(const cli::InspectionFlags& flags, const std::string& file, cli::Output& output);
common::Result<void> trace(const cli::TraceFlags& flags, cli::Output& output);
common::Result<void> explain_verdict(const cli::ExplainFlags& flags, cli::Output& output);
common::Result<void> events(const cli::EventsFlags& flags, cli::Output& output);
common::Result<void> down_without_agent(const cli::DownFlags& flags, cli::Output& output);
common::Result<void> keygen(const cli::KeygenFlags& flags, cli::Output& output);
// Of a host that has joined a network, as the agent has it; there or not.
std::string joined_file();
common::Result<void> check_joined(const std::string& joined_file, cli::Output& output);
common::Result<void> next_key(const std::string& config, cli::Output& output);

}  // namespace krait::inspect
