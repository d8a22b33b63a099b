#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/answer.h"
#include "common/memory.h"
#include "krata/store/flags.h"

namespace {

int serve(const krata::store::Options& options) {
  const auto done = common::within_memory([&] { return krata::store::run(options); });
  if (done) {
    return 0;
  }
  std::fprintf(stderr, "krata-store: %s\n", done.error().text().c_str());
  return common::exit_code(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "krata-store");
  krata::store::Options options;
  krata::store::add_flags(app, options);
  try {
    app.parse(argc, argv);
    return serve(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
