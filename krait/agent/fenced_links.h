// Which of the host's interfaces the fence stands on. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "krait/datapath/datapath.h"
#include "krait/wireguard/network.h"

namespace krait::agent {

// All but the guarded one, loopback, on which the host's own translations and refusals come back, and the interface of
// a VRF, through which the host talks to itself: its members are among them. Members of bridges, bonds and the like are
// ports.
datapath::Outside fenced_links(std::span<const wireguard::NetworkLink> links, std::uint32_t guarded_index);

}  // namespace krait::agent
