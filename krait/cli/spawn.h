// Starts krait-agent in the background and learns how its start went.
#pragma once

#include <string>

#include "common/result.h"

namespace krait::cli {

struct Spawn {
  std::string agent;  // the program
  std::string config;
  std::string socket;
  std::string log;           // its standard output and error; replaced
  int patience_ms = 90'000;  // as long as a service manager waits for a start by default
};

// Where krait-agent is: beside this program, or in PATH. not_found.
common::Result<std::string> find_agent();

// Returns when the agent says that everything is in force; the agent goes on in a session of its own. Fails with what
// it said when it ended instead (invalid_input where it found the configuration wrong). Blocks until one or the other,
// at most patience_ms: then it ends the agent and fails. Only the agent can say anything: it inherits the other end of
// a pair of sockets that has no name. Fails with permission for a log in a folder that others may write to
// (lock_file.h).
common::Result<void> spawn_agent(const Spawn& spawn);

}  // namespace krait::cli
