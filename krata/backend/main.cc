#include "common/frame/frame.h"
#include "krata/backend/flags.h"

int main(int argc, char** argv) {
  krata::backend::Options options;
  return common::run_in_frame(
      argc, argv,
      {.program = "krata-block",
       .add_flags = [&](common::cli::Command command) { krata::backend::add_flags(command, options); },
       .serve = [&](common::Log& log) { return krata::backend::run(options, log); }});
}
