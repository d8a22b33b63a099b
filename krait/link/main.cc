#include <CLI/CLI.hpp>

#include "common/answer.h"
#include "common/event/notify.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/process.h"
#include "krait/link/flags.h"
#include "krait/link/run.h"

namespace {

int run(const krait::link::Options& options) {
  common::forbid_memory_dumps();  // the link's key is in it
  common::Log log("krait-link");
  const auto done = common::within_memory([&] { return krait::link::run(options, log); });
  if (done) {
    return 0;
  }
  log.error(done.error().text());
  common::notify_failed(done.error().text());
  return common::exit_code(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "krait-link");
  krait::link::Options options;
  krait::link::add_flags(app, options);
  try {
    app.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
