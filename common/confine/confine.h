// Gives away for good what a program does not need once it has opened everything: its user's rights, the file system,
// and the system calls that it never makes.
#pragma once

#include <span>
#include <string>

#include "common/result.h"

namespace common {

struct Confinement {
  std::string user;                       // whose the process becomes; root cannot be
  std::span<const unsigned long> ioctls;  // the requests of ioctl(2) that it goes on making
};

// To be called by a process of one thread. Descriptors and mappings stay. Afterwards:
// - its user and groups are those of `user`, no capability is left, none can be had again (PR_SET_NO_NEW_PRIVS);
// - its root and working directory are an empty file system that nobody can write to;
// - of system calls those are left that a server on descriptors makes: read and write, wait, map memory that is not
// executed, accept
//   connections. Any other one ends the process at once, with SIGSYS. It opens no file, starts no program or thread,
//   makes no socket, sends no signal but to itself.
// Fails with permission where the process is not root, and with not_found where there is no such user: nobody should go
// on then.
Result<void> confine(const Confinement& wanted);

}  // namespace common
