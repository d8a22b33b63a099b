#include <CLI/CLI.hpp>

#include "common/answer.h"
#include "common/log.h"
#include "krata/backend/flags.h"

namespace {

int serve(const krata::backend::Options& options) {
  common::Log log("krata-block");
  const auto done = krata::backend::run(options, log);
  if (done) {
    return 0;
  }
  log.error(done.error().text());
  return common::exit_code(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "krata-block");
  krata::backend::Options options;
  krata::backend::add_flags(app, options);
  try {
    app.parse(argc, argv);
    return serve(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
