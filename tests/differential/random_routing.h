// Random routes of the host that a story plays on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/differential/random_policy.h"
#include "tests/model/naive.h"

namespace krait::differential {

// The story's interfaces, by index.
inline constexpr std::uint32_t kLoopback = 1;
inline constexpr std::uint32_t kGuarded = 2;
inline constexpr std::uint32_t kLan = 3;
inline constexpr std::uint32_t kWan = 4;

// Mostly those that the bindings need, with some missing and some that lead astray. No two have the same prefix.
naive::Routing random_routing(Random& random, const AddressPool& pool, const std::vector<Revision>& revisions);

std::string routing_text(const naive::Routing& routing);

}  // namespace krait::differential
