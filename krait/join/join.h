// Takes this host into a network, or out of it. Blocks; as root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/link/files.h"

namespace krait::join {

struct JoinOptions {
  link::Files files;
  std::string joined_file{};       // of the agent: krait/plan/joined.h
  std::string private_key_file{};  // WireGuard's; made where it is missing
  std::string token{};
  std::string name{};
  std::string interface = "wg0";
  std::uint16_t listen_port = 51820;
  std::vector<std::string> endpoints{};
  bool behind_nat = false;
  std::vector<std::string> addresses{};  // to be kept where the network has them to give; without lengths
};

struct Joined {
  std::string name;
  std::vector<std::string> addresses;
  std::string identity;
  bool waits_for_approval = false;
};

// Nothing of the agent's is written before the coordinator has taken the host in and sent a state that verifies. What
// is there of a former attempt is used again, so that an attempt that broke off costs no use of the token.
common::Result<Joined> join(const JoinOptions& options);

// Tells the coordinator, best effort, and removes what join wrote. `told`: whether the coordinator knows.
struct Left {
  bool told = false;
  std::string why_not;
};
common::Result<Left> leave(const JoinOptions& options);

}  // namespace krait::join
