#include <CLI/CLI.hpp>

#include "common/answer.h"
#include "common/event/notify.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/process.h"
#include "krait/agent/agent.h"
#include "krait/agent/flags.h"
#include "krait/control/protocol.h"
#include "krait/enforce/prepare.h"

namespace {

int run(const krait::agent::Flags& flags) {
  common::forbid_memory_dumps();  // the private key passes through
  common::Log log("krait-agent");
  const auto done = common::within_memory([&] {
    return flags.prepare_for.empty() ? krait::agent::run_agent(krait::agent::options_of(flags), log)
                                     : krait::enforce::prepare_for(flags.prepare_for);
  });
  if (done) {
    return 0;
  }
  log.error(done.error().text());
  common::notify_failed(done.error().text());
  return common::exit_code(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "krait-agent");
  krait::agent::Flags flags;
  krait::agent::add_flags(app, flags);
  try {
    app.parse(argc, argv);
    return run(flags);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
