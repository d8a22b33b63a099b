// What several commands of `krata zone` take and say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/cli/command.h"
#include "krata/control/client.h"
#include "krata/control/protocol.h"

namespace krata::cli {

struct ZoneFlags {
  std::string socket = control::kDefaultSocket;
  std::string zone;
};

void add_socket_flag(Command command, ZoneFlags& flags);
void add_zone_argument(Command command, ZoneFlags& flags);

// "web ended: exit code 3 after 12 s" and the like, of zone_json().
std::string zone_line(const common::Json& zone);
// Of end_json(): "exit code 3", "killed by SIGKILL", "not started: why".
std::string end_text(const common::Json& end);
int code_of_end(const common::Json& end);

// Of what kratad tells of all zones, those that have not ended, the last one first. Pure.
std::vector<std::string> ids_to_stop(const common::Json& zones);

// A connection that ended before what it was there for. `what`: "the zone", "the zones".
common::Error cut_off(std::string_view what);

// Waits for the end and passes its code on.
common::Result<void> wait_for(const std::string& socket, const std::string& zone, Output& output);
// Passes bytes both ways until the end, and its code on.
common::Result<void> attach_to(const std::string& socket, const std::string& zone, bool has_terminal, Output& output);

void add_zone_launch(Shell& shell, Command group);
void add_zone_list(Shell& shell, Command group);    // list, show, top, wait, watch
void add_zone_change(Shell& shell, Command group);  // start, stop, destroy, update
void add_zone_stream(Shell& shell, Command group);  // logs, attach, exec

}  // namespace krata::cli
