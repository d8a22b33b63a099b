// The commands of `krait-coordinator`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/cli/command.h"
#include "common/json.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/server.h"

namespace krait::coordinator {

using common::Json;
using common::cli::Command;
using common::cli::OptionDetails;
using common::cli::Output;
using common::cli::Shell;

struct AdminFlags : Reach {
  bool wait = false;
  std::string timeout = "10s";
};

// --socket, --coordinator, --profile, and --key: over the network it says who asks.
void add_reach_flags(Command command, AdminFlags& flags);
void add_wait_flags(Command command, AdminFlags& flags);
void add_state_flags(Command command, ServerOptions& options);

// "90s", "15m", "8h", "7d"; in seconds, 1 to a year.
common::Result<std::int64_t> duration_s(const std::string& text);
std::string time_text(std::uint64_t unix_s);
// How a change has spread, one line for people and one for each host that does not enforce it; found_problems() where
// there are such.
std::string spread_text(const Json& answer, Output& output);

// Each in the file of its name.
void add_serve_commands(Shell& shell);  // init, serve, migrate, backup, restore
void add_token_commands(Shell& shell);
void add_host_commands(Shell& shell);
void add_policy_commands(Shell& shell);
void add_network_commands(Shell& shell);
void add_audit_commands(Shell& shell);
void add_admin_commands(Shell& shell);

common::cli::About about();
void add_commands(Shell& shell);
int run(int argc, const char* const* argv);

}  // namespace krait::coordinator
