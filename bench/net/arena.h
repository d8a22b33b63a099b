// Two hosts joined by veth: packets are sent by one and filtered by the other.
#pragma once

#include <cstdint>

#include "bench/net/namespace.h"
#include "common/ip.h"
#include "common/result.h"

namespace krait::bench {

inline constexpr std::uint32_t kPeer = 1;  // their numbers, see bench::host
inline constexpr std::uint32_t kGuarded = 2;

struct Arena {
  Namespace guarded;
  Namespace peer;
  std::uint32_t guarded_index = 0;  // of the guarded host's veth
};

// IPv4 only, without neighbour discovery: nothing but the traffic that a benchmark makes is on the link.
common::Result<Arena> make_arena();

}  // namespace krait::bench
