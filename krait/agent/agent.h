// The agent: starts the enforcer, then answers the control socket, the metrics page and signals until it is told to
// end.
#pragma once

#include <string>

#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"
#include "krait/enforce/enforcer.h"

namespace krait::agent {

struct AgentOptions {
  enforce::EnforcerOptions enforcer;
  std::string socket_path;
  common::Endpoint metrics;  // a loopback address
};

// Blocks until SIGTERM, SIGINT (both leave everything in force) or a `down` request. Changes the thread's signal mask.
common::Result<void> run_agent(const AgentOptions& options, common::Log& log);

}  // namespace krait::agent
