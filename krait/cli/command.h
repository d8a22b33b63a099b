// The commands of `krait`, and what several of them need.
#pragma once

#include <string>

#include "common/cli/command.h"
#include "krait/cli/inspections.h"
#include "krait/control/protocol.h"

namespace krait::cli {

using common::Json;
using common::cli::Command;
using common::cli::OptionDetails;
using common::cli::Output;
using common::cli::Shell;

inline constexpr const char* kDefaultConfig = "/etc/krait/krait.toml";

void add_config_flag(Command command, std::string& config);
void add_socket_flag(Command command, std::string& socket);

// Each in the file of its name. The inspections outlive the parsing.
void add_up(Shell& shell);
void add_down(Shell& shell, const Inspections& inspections);
void add_status(Shell& shell);
void add_reload(Shell& shell);
void add_allow_older(Shell& shell);
void add_check(Shell& shell);
Command add_policy(Shell& shell, const Inspections& inspections);  // with check and explain
// Says in the help what is krait-coordinator's; `policy` is the group.
void add_administration(Shell& shell, Command policy);
// Whether a command line is one of those: krait becomes krait-coordinator for it.
bool is_administration(int argc, const char* const* argv);
void add_trace(Shell& shell, const Inspections& inspections);
void add_rules(Shell& shell);
void add_events(Shell& shell, const Inspections& inspections);
void add_doctor(Shell& shell, const Inspections& inspections);
void add_debug(Shell& shell, const Inspections& inspections);  // with bundle
void add_key(Shell& shell, const Inspections& inspections);    // with next and rotate
void add_keygen(Shell& shell, const Inspections& inspections);
void add_join(Shell& shell, const Inspections& inspections);  // with leave
void add_version(Shell& shell);

// What the help says of all of it.
common::cli::About about();
// All of them.
void add_commands(Shell& shell, const Inspections& inspections);

// Parses, runs, prints; the exit code.
int run(int argc, const char* const* argv, const Inspections& inspections);

}  // namespace krait::cli
