#include "krata/store/flags.h"

#include <CLI/CLI.hpp>

namespace krata::store {

namespace {

constexpr const char* kDescription =
    "Serves xenstore: the tree of names and values by which domain 0 and zones tell each other about devices,\n"
    "memory and their state. Whoever reaches the socket speaks for domain 0: root and the program's own user.";

constexpr const char* kFooter =
    "Example:  krata-store --socket /run/krata-store/socket --state /run/krata-store/state --user krata-store\n"
    "Ends on SIGTERM and SIGINT. With --state it goes on after SIGKILL with all that was answered.\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time.";

}  // namespace

void add_flags(CLI::App& app, Options& options) {
  app.description(kDescription);
  app.footer(kFooter);
  app.add_option("--socket", options.socket, "The Unix socket to serve")->required();
  app.add_flag("--without-xen", options.without_xen)->description("Serve the socket alone, with no hypervisor");
  app.add_option("--state", options.state, "The folder to keep the state in across a restart; without it none is kept");
  app.add_option("--user", options.user,
                 "Become this user when everything is open, without rights, file system and most system calls");
  app.set_version_flag("--version", "krata-store " KRAIT_VERSION);
}

}  // namespace krata::store
