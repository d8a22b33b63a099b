// Meshes of several sizes, the same every time: what the benchmarks measure at.
#pragma once

#include <cstdint>
#include <vector>

#include "common/ip.h"
#include "krait/compile/compile.h"
#include "krait/model/policy.h"

namespace krait::bench {

struct Scale {
  model::Policy policy;
  std::vector<compile::Binding> bindings;
};

// The packets that are measured: rule 0 allows tcp/5432 from the first host to the second, which is this one.
inline constexpr std::uint16_t kServicePort = 5432;
common::Ip host(std::uint32_t number, common::Family family);

// `rules` allow rules, each for one port between two of up to 1,000 identities; as many hosts as rules (two at least,
// 65,536 at most), each with an IPv4 and an IPv6 address.
Scale make_scale(std::uint32_t rules);

}  // namespace krait::bench
