// One interface as an agent holds it: what outlives a run of steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krait/datapath/datapath.h"
#include "krait/enforce/surroundings.h"
#include "krait/model/mesh.h"
#include "krait/wireguard/state.h"

namespace krait::enforce {

struct Held {
  std::string interface;
  bool is_managed = true;
  datapath::Datapath datapath;
  Surroundings surroundings{};
  std::uint32_t interface_index = 0;          // 0: it is not here
  std::optional<model::PublicKey> key{};      // that the interface was given
  bool was_removed_there = false;             // it went to another namespace and was deleted there
  std::vector<wireguard::Refusal> refused{};  // when WireGuard was set up or set right last
  std::uint32_t mtu_bytes = 0;                // of the interface; 0: not looked at yet
};

}  // namespace krait::enforce
