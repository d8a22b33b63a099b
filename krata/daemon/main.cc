#include "common/frame/frame.h"
#include "krata/daemon/flags.h"

int main(int argc, char** argv) {
  krata::daemon::Options options;
  return common::run_in_frame(
      argc, argv,
      {.program = "kratad",
       .add_flags = [&](common::cli::Command command) { krata::daemon::add_flags(command, options); },
       .serve = [&](common::Log& log) { return krata::daemon::run(options, log); }});
}
