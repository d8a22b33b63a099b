// Starts a process of the container.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "krata/bundle/process.h"

namespace krata::init {

// Our ends; none of them blocks.
struct Spawned {
  pid_t pid = 0;
  common::Fd input;
  common::Fd output;
  common::Fd error;  // none with a terminal, whose one descriptor is twice there: as input and output
  common::Fd peer;   // of the terminal: while it is open here too, the process may close and open its own
};

// In this process's root, in a session of its own, without what this process has blocked or opened. Waits until the
// program is there. Errors say what a user can put right: not_found (no such user, program, folder), permission,
// system.
common::Result<Spawned> spawn(const bundle::Process& process, const std::string& hostname);

// The size of the terminal that `terminal` leads to.
void set_size(int terminal, bundle::WindowSize size);

}  // namespace krata::init
