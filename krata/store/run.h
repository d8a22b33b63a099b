// The program krata-store.
#pragma once

#include <string>

#include "common/result.h"

namespace krata::store {

struct Options {
  std::string socket;
  bool without_xen = false;  // serve neither domain 0's kernel nor zones
  std::string state;         // the folder to keep the state in; empty: none is kept
};

// Serves until SIGTERM or SIGINT. Blocks both signals for the process. Opens all files that it ever needs before it
// serves.
common::Result<void> run(const Options& options);

}  // namespace krata::store
