#include "krait/link/flags.h"

#include <fmt/format.h>

#include "krait/control/protocol.h"
#include "krait/control/version.h"

namespace krait::link {

void add_flags(common::cli::Command command, Options& options) {
  options.agent_socket = control::kDefaultSocket;
  command.introduce(
      "Keeps this host's connection with its coordinator: lays each state that comes where krait-agent looks for it, "
      "has\n"
      "the agent take it, and reports what is enforced. The agent goes on without it. `krait join` says which "
      "network.",
      "Example:  krait-link\nExit codes: 0 ended, 1 this host has joined no network, 2 failure at run time.",
      fmt::format("krait-link {}", control::kVersion));
  command.option("--state", options.files.folder, "The folder that krait join has filled", {.env = "KRAIT_LINK_STATE"});
  command.option("--agent", options.agent_socket, "The agent's control socket", {.env = "KRAIT_SOCKET"});
}

}  // namespace krait::link
