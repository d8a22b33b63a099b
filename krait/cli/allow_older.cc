// krait allow-older: a network that goes back.
#include <memory>
#include <string>

#include "krait/cli/command.h"
#include "krait/control/client.h"

namespace krait::cli {

void add_allow_older(Shell& shell) {
  auto socket = std::make_shared<std::string>(control::kDefaultSocket);
  Command command = shell.command(
      "allow-older", "Let the next state from the network be older than what this host has seen",
      "For a host that has joined a network whose coordinator was restored from an old backup. It holds once; a state\n"
      "that no administrator signed is refused all the same.\n"
      "Example:  sudo krait allow-older");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) -> common::Result<void> {
    KRAIT_TRY(const auto answer, control::ask(*socket, control::Request::allow_older));
    output.report("the next state from the network may be older than what this host has seen", answer);
    return {};
  });
}

}  // namespace krait::cli
