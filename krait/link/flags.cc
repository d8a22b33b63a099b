#include "krait/link/flags.h"

#include <CLI/CLI.hpp>

#include "krait/control/protocol.h"
#include "krait/control/version.h"

namespace krait::link {

void add_flags(CLI::App& app, Options& options) {
  options.agent_socket = control::kDefaultSocket;
  app.description(
      "Keeps this host's connection with its coordinator: lays each state that comes where krait-agent looks for it, "
      "has\n"
      "the agent take it, and reports what is enforced. The agent goes on without it. `krait join` says which "
      "network.");
  app.footer("Example:  krait-link\nExit codes: 0 ended, 1 this host has joined no network, 2 failure at run time.");
  app.add_option("--state", options.files.folder, "The folder that krait join has filled")
      ->envname("KRAIT_LINK_STATE")
      ->capture_default_str();
  app.add_option("--agent", options.agent_socket, "The agent's control socket")
      ->envname("KRAIT_SOCKET")
      ->capture_default_str();
  app.set_version_flag("--version", std::string("krait-link ") + control::kVersion);
}

}  // namespace krait::link
