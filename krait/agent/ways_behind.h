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

// A network's ways are its own routes: those to it or to parts of it that are no parts of another of the networks, and
// of connected networks that it is a part of, unless another of the networks lies between. No wider route is, which
// leads to whoever is there when the network's own is gone. None leads through the guarded interface. Addresses of the
// host's own in one of the networks are ways too.
WaysBehind ways_behind(std::span<const common::Prefix> networks, std::span<const wireguard::NetworkRoute> routes,
                       std::uint32_t guarded_index);

}  // namespace krait::agent
