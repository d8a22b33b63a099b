#include "krata/cli/asking.h"

#include <string_view>

#include "common/program.h"
#include "krata/cli/command.h"

namespace krata::cli {

namespace {

void add_asking_commands(Shell& shell) {
  add_zone(shell);
  add_host(shell);
}

}  // namespace

bool is_asking(int argc, const char* const* argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  return first == "zone" || first == "host";
}

int run_asking(int argc, const char* const* argv) { return common::cli::run(argc, argv, about(), add_asking_commands); }

int become_image_program(const char* const* argv) {
  const common::Error failed = common::become_program("krata-image", "krata", argv);
  Output output("krata", false);
  output.error(failed);
  return about().exit_code(failed);
}

}  // namespace krata::cli
