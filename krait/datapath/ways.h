// The map krait_ways: where the networks behind this host are, by routes of their own, and which addresses there are
// the host's own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/ip.h"
#include "common/result.h"

namespace krait::datapath {

struct WayBehind {
  common::Prefix prefix;                  // of the route, or the address
  std::uint8_t network_length = 0;        // of the network behind this host that it is in
  bool is_own = false;                    // the host's own address
  std::vector<std::uint32_t> interfaces;  // indexes; the kernel program knows KRAIT_WAY_INTERFACES of them at most

  auto operator<=>(const WayBehind&) const = default;
};

// Makes the map hold these ways and no others; what stays is not touched. No two have the same prefix. Fails with
// limit, having changed nothing, when they are more than KRAIT_WAYS. A few system calls a way.
common::Result<void> set_ways(int ways_fd, std::span<const WayBehind> ways);

}  // namespace krait::datapath
