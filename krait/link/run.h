// The link's long-running part: one connection with a coordinator, dialled anew when it ends.
#pragma once

#include <string>

#include "common/log.h"
#include "common/result.h"
#include "krait/link/files.h"

namespace krait::link {

struct Options {
  Files files;
  std::string agent_socket;
};

// Blocks until SIGTERM or SIGINT. Sleeps while nothing changes.
common::Result<void> run(const Options& options, common::Log& log);

}  // namespace krait::link
