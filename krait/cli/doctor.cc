#include <memory>

#include "krait/cli/command.h"

namespace krait::cli {

void add_doctor(Shell& shell, const Inspections& inspections) {
  auto where =
      std::make_shared<InspectionFlags>(InspectionFlags{.config = kDefaultConfig, .socket = control::kDefaultSocket});
  Command command = shell.command(
      "doctor", "Find what is wrong on this host, and say how to fix it",
      "Looks at kernel, clock, key, interface, port, programs, MTU, routes, firewalls and the agent; changes nothing.\n"
      "Sees more as root. Exit codes: 0 no problem (warnings are none), 1 problems found, 2 could not look.\n"
      "Example:  sudo krait doctor");
  add_config_flag(command, where->config);
  add_socket_flag(command, where->socket);
  shell.on(command, [where, &inspections](Output& output) { return inspections.examine(*where, output); });
}

}  // namespace krait::cli
