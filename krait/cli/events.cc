#include <memory>

#include "krait/cli/command.h"

namespace krait::cli {

void add_events(Shell& shell, const Inspections& inspections) {
  auto flags = std::make_shared<EventsFlags>(EventsFlags{.socket = control::kDefaultSocket});
  Command command = shell.command(
      "events", "Show dropped packets, and what rules with log = true opened",
      "A sample: at most 16 a second for each drop reason and CPU. Each is shown once, the oldest that the\n"
      "kernel still has first. Needs root.\n"
      "Example:  sudo krait events --follow");
  command.flag("-f,--follow", flags->follow, "Go on until interrupted");
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags, &inspections](Output& output) { return inspections.events(*flags, output); });
}

}  // namespace krait::cli
