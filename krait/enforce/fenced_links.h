// Which of the host's interfaces the fence stands on. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "common/netlink/network.h"
#include "krait/datapath/datapath.h"

namespace krait::enforce {

// All but the guarded one, loopback, on which the host's own translations and refusals come back, and the interface of
// a VRF, through which the host talks to itself: its members are among them. Members of bridges, bonds and the like are
// ports.
datapath::Outside fenced_links(std::span<const netlink::Link> links, std::uint32_t guarded_index);

}  // namespace krait::enforce
