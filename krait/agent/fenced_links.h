// Which of the host's interfaces the fence stands on. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "krait/wireguard/network.h"

namespace krait::agent {

// All but the guarded one, those whose packets the host takes in on another, the master's interface (a bridge, a bond),
// and the interface of a VRF, through which the host talks to itself: its members are among them. Loopback is too.
std::vector<std::uint32_t> fenced_links(std::span<const wireguard::NetworkLink> links, std::uint32_t guarded_index);

}  // namespace krait::agent
