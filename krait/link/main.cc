#include "common/frame/frame.h"
#include "krait/link/flags.h"

int main(int argc, char** argv) {
  krait::link::Options options;
  return common::run_in_frame(
      argc, argv,
      {.program = "krait-link",
       .add_flags = [&](common::cli::Command command) { krait::link::add_flags(command, options); },
       .serve = [&](common::Log& log) { return krait::link::run(options, log); },
       .has_secrets = true});
}
