#include "common/frame/frame.h"
#include "krata/store/flags.h"

int main(int argc, char** argv) {
  krata::store::Options options;
  return common::run_in_frame(
      argc, argv,
      {.program = "krata-store",
       .add_flags = [&](common::cli::Command command) { krata::store::add_flags(command, options); },
       .serve = [&](common::Log& log) { return krata::store::run(options, log); }});
}
