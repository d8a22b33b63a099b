#include <memory>
#include <string>

#include "krait/cli/command.h"

namespace krait::cli {

void add_debug(Shell& shell, const Inspections& inspections) {
  Command group = shell.group("debug", "Help with finding a fault");
  auto where =
      std::make_shared<InspectionFlags>(InspectionFlags{.config = kDefaultConfig, .socket = control::kDefaultSocket});
  auto file = std::make_shared<std::string>();
  Command command = shell.command(
      group, "bundle", "Put everything that helps with a fault into one archive, without secrets",
      "What doctor, status and rules say, the metrics page, both files, the network's state, the programs, the log.\n"
      "Private keys are left out wherever they are. Made for the caller only (mode 0600); knows more as root.\n"
      "Example:  sudo krait debug bundle");
  add_config_flag(command, where->config);
  add_socket_flag(command, where->socket);
  command.option("--output-file", *file, "The archive; default krait-debug-HOST-DATE.tar.gz, here");
  shell.on(command, [where, file, &inspections](Output& output) { return inspections.bundle(*where, *file, output); });
}

}  // namespace krait::cli
