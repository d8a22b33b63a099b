#include "krata/cli/zone.h"

#include <fmt/format.h>

#include <cstring>

#include "krata/model/zone.h"

namespace krata::cli {

using common::number_at;
using common::object_at;
using common::text_at;

void add_socket_flag(Command command, ZoneFlags& flags) {
  command.option("--socket", flags.socket, "The daemon's socket", {.env = "KRATA_SOCKET"});
}

void add_zone_argument(Command command, ZoneFlags& flags) {
  command.option("ZONE", flags.zone, "Its name or id", {.required = true});
}

int code_of_end(const common::Json& end) { return static_cast<int>(number_at(end, "code") & 0xffU); }

std::string end_text(const common::Json& end) {
  const std::string reason = text_at(end, "reason");
  const auto signal = static_cast<int>(number_at(end, "signal"));
  std::string text = reason;
  if (reason == "exited") {
    text = fmt::format("exit code {}", code_of_end(end));
  } else if (reason == "signalled" || reason == "out_of_memory") {
    text = fmt::format("killed by signal {}{}", signal, reason == "out_of_memory" ? " for want of memory" : "");
  } else if (reason == "stopped") {
    text = fmt::format("stopped, exit code {}", code_of_end(end));
  } else if (reason == "not_started") {
    text = "not started";
  } else if (reason == "panicked") {
    text = "its kernel panicked";
  }
  const std::string more = text_at(end, "text");
  return more.empty() ? text : text + ": " + more;
}

std::string zone_line(const common::Json& zone) {
  std::string text = fmt::format("{}  {}", text_at(zone, "name"), text_at(zone, "state"));
  if (const common::Json& end = object_at(zone, "end"); !end.empty()) {
    text += ", " + end_text(end);
  }
  const std::string note = text_at(zone, "note");
  return note.empty() ? text : text + ", " + note;
}

void add_zone(Shell& shell) {
  const Command group = shell.group("zone", "Zones: containers, each with a kernel of its own");
  add_zone_launch(shell, group);
  add_zone_list(shell, group);
  add_zone_stream(shell, group);
  add_zone_change(shell, group);
}

}  // namespace krata::cli
