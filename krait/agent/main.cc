#include "common/frame/frame.h"
#include "krait/agent/agent.h"
#include "krait/agent/flags.h"
#include "krait/enforce/prepare.h"

int main(int argc, char** argv) {
  krait::agent::Flags flags;
  const auto serve = [&](common::Log& log) {
    return flags.prepare_for.empty() ? krait::agent::run_agent(krait::agent::options_of(flags), log)
                                     : krait::enforce::prepare_for(flags.prepare_for, flags.joined);
  };
  return common::run_in_frame(
      argc, argv,
      {.program = "krait-agent",
       .add_flags = [&](common::cli::Command command) { krait::agent::add_flags(command, flags); },
       .serve = serve,
       .has_secrets = true});
}
