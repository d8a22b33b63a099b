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
// The other rules' ports: so many in all, so that rules share some, as real policies do.
inline constexpr std::uint32_t kFirstRulePort = 10000;
inline constexpr std::uint32_t kRulePorts = 200;
common::Ip host(std::uint32_t number, common::Family family);

struct Size {
  std::uint32_t rules = 0;
  std::uint32_t hosts = 2;       // two at least; each with an IPv4 and an IPv6 address
  std::uint32_t identities = 2;  // two at least
};

// Allow rules, each for one port between two identities.
Scale make_scale(const Size& size);
// As many hosts and identities as rules, at most 65,536 and 1,000.
Size usual_size(std::uint32_t rules);
Scale make_scale(std::uint32_t rules);

}  // namespace krait::bench
