// The commands of `krata`, and how they answer.
#pragma once

#include <string_view>

#include "common/cli/command.h"
#include "krata/image/json.h"

namespace krata::cli {

using common::cli::Command;
using common::cli::OptionDetails;
using common::cli::Output;
using common::cli::Shell;
using image::Json;

// Reports with the answer's version. What images say of themselves is in it, of which an object may have many members:
// hence not the ordered JSON of other programs, which looks for each among all before it.
void report(Output& output, std::string_view text, Json json);

// What --help says of the program.
common::cli::About about();

// All commands; each group in the file of its name.
void add_commands(Shell& shell);
void add_image(Shell& shell);
void add_zone(Shell& shell);
void add_kernel(Shell& shell);
void add_host(Shell& shell);
void add_doctor(Shell& shell);

// Parses, runs, prints; the exit code.
int run(int argc, const char* const* argv);

}  // namespace krata::cli
