#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/memory.h"
#include "krata/store/run.h"

namespace {

int serve(const krata::store::Options& options) {
  const auto done = common::within_memory([&] { return krata::store::run(options); });
  if (done) {
    return 0;
  }
  std::fprintf(stderr, "krata-store: %s\n", done.error().text().c_str());
  return done.error().code() == common::ErrorCode::invalid_input ? 1 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Serves xenstore: the tree of names and values that domain 0 and zones share.", "krata-store");
  krata::store::Options options;
  bool without_xen = false;
  app.add_option("--socket", options.socket, "Unix socket to serve")->required();
  app.add_flag("--without-xen", without_xen, "serve the socket alone, with no hypervisor")->required();
  app.add_option("--state", options.state, "folder to keep the state in across a restart; without it none is kept");
  try {
    app.parse(argc, argv);
    return serve(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
}
