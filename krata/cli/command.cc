#include "krata/cli/command.h"

namespace krata::cli {

void add_commands(Shell& shell) {
  add_zone(shell);
  add_image(shell);
  add_kernel(shell);
  add_host(shell);
  add_doctor(shell);
}

int run(int argc, const char* const* argv) { return common::cli::run(argc, argv, about(), add_commands); }

}  // namespace krata::cli
