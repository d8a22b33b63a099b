// Numbered records over TCP and UDP. Each call runs until SIGTERM or SIGINT and keeps the state file up to date.
#pragma once

#include <cstdint>
#include <string>

#include "common/ip.h"
#include "common/result.h"

namespace lab {

struct Plan {
  common::Endpoint endpoint;  // to listen on, or to send to
  std::string state_file;
  std::uint64_t records_per_s = 200;
};

// TCP: both ends send records at the plan's rate as soon as they are connected. The receiver serves one connection at a
// time and takes a new one when it comes; the sender makes one connection and never another.
common::Result<void> serve_tcp(const Plan& plan);
common::Result<void> send_tcp(const Plan& plan);

// UDP: both ends send records at the plan's rate, the receiver to whom it heard from last. SIGUSR1 ends the sending,
// not the receiving.
common::Result<void> serve_udp(const Plan& plan);
common::Result<void> send_udp(const Plan& plan);

}  // namespace lab
