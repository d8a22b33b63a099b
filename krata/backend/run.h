// The disks of one zone, served to its end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/log.h"
#include "common/result.h"

namespace krata::backend {

struct Options {
  std::uint32_t domain = 0;
  std::vector<std::string> disks;  // "NUMBER=ro:FILE" or "NUMBER=rw:FILE"; the number is the virtual device's
  std::string state;               // the folder for what a process that comes after this one needs to know
  std::string user;                // whose the process becomes when everything is open; empty: it stays as it is
  std::string store;               // xenstore's socket or device; empty: the one that answers
};

// Until the domain is gone, or SIGTERM. Its nodes in xenstore must be there (krata/daemon/devices.h).
common::Result<void> run(const Options& options, common::Log& log);

}  // namespace krata::backend
