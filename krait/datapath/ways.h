// The map krait_ways: on which interfaces routes of their own lead into the networks behind this host.
#pragma once

#include <cstdint>
#include <span>

#include "common/ip.h"
#include "common/result.h"

namespace krait::datapath {

struct WayBehind {
  common::Prefix network;
  std::uint32_t interface = 0;  // index

  auto operator<=>(const WayBehind&) const = default;
};

// Makes the map hold these ways and no others; what stays is not touched. Fails with limit, having changed nothing,
// when they are more than KRAIT_WAYS. A few system calls a way.
common::Result<void> set_ways(int ways_fd, std::span<const WayBehind> ways);

}  // namespace krait::datapath
