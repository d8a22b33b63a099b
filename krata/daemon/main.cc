#include <CLI/CLI.hpp>

#include "common/answer.h"
#include "common/event/notify.h"
#include "common/log.h"
#include "krata/daemon/flags.h"

namespace {

int serve(const krata::daemon::Options& options) {
  common::Log log("kratad");
  const auto done = krata::daemon::run(options, log);
  if (done) {
    return 0;
  }
  log.error(done.error().text());
  common::notify_failed(done.error().text());
  return common::exit_code(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "kratad");
  krata::daemon::Options options;
  krata::daemon::add_flags(app, options);
  try {
    app.parse(argc, argv);
    return serve(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
