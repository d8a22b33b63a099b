// The command line of krait-agent.
#pragma once

#include <string>

#include "common/cli/options.h"
#include "krait/agent/agent.h"
#include "krait/control/protocol.h"
#include "krait/plan/joined.h"

namespace krait::agent {

struct Flags {
  std::string config = "/etc/krait/krait.toml";
  std::string joined = plan::kJoinedFile;
  std::string interface;
  std::string socket = control::kDefaultSocket;
  std::string metrics = "127.0.0.1:9517";
  std::string prepare_for;  // do nothing but this
};

// What the program is and takes; parsing fills `flags`, which must outlive it.
void add_flags(common::cli::Command command, Flags& flags);
AgentOptions options_of(const Flags& flags);

}  // namespace krait::agent
