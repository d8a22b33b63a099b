#include "krata/store/flags.h"

namespace krata::store {

namespace {

constexpr const char* kDescription =
    "Serves xenstore: the tree of names and values by which domain 0 and zones tell each other about devices,\n"
    "memory and their state. Whoever reaches the socket speaks for domain 0: root and the program's own user.";

constexpr const char* kFooter =
    "Example:  krata-store --socket /run/krata-store/socket --state /run/krata-store/state --user krata-store\n"
    "Ends on SIGTERM and SIGINT. With --state it goes on after SIGKILL with all that was answered.\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time, 3 another program serves xenstore on this host.";

}  // namespace

void add_flags(common::cli::Command command, Options& options) {
  command.introduce(kDescription, kFooter, "krata-store " KRAIT_VERSION);
  command.option("--socket", options.socket, "The Unix socket to serve", {.required = true});
  command.flag("--without-xen", options.without_xen, "Serve the socket alone, with no hypervisor");
  command.option("--state", options.state, "The folder to keep the state in across a restart; without it none is kept");
  command.option("--user", options.user,
                 "Become this user when everything is open, without rights, file system and most system calls");
}

}  // namespace krata::store
