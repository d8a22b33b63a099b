// Where a host's routes lead into the networks behind it. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/ip.h"
#include "krait/datapath/ways.h"
#include "krait/wireguard/network.h"

namespace krait::agent {

struct WaysBehind {
  std::vector<datapath::WayBehind> ways;    // ascending, each once
  std::vector<common::Prefix> without_way;  // networks, as they were given
};

// A network's ways are the links of routes to it or to parts of it, and of connected networks that it is a part of; of
// no wider route, which leads to whoever is there when the network's own is gone. None leads through the guarded
// interface.
WaysBehind ways_behind(std::span<const common::Prefix> networks, std::span<const wireguard::NetworkRoute> routes,
                       std::uint32_t guarded_index);

}  // namespace krait::agent
