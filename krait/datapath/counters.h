// Reading the per-CPU counters.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "krait/datapath/state.h"

namespace krait::datapath {

// Sums over the CPUs. Each costs a system call for an element: call them when somebody asks.
common::Result<Counters> read_counters(int pairs_fd, std::uint32_t pair_buckets, int drops_fd);
// Of the rules numbered 0 .. rules - 1.
common::Result<std::vector<krait_count>> read_rule_counts(int rules_fd, std::uint32_t rules);

// Sets one rule's count back to nothing. No packet may be judged by a rule of this number meanwhile.
common::Result<void> clear_rule_count(int rules_fd, std::uint32_t rule);
// Carries the counts of 0 .. rules - 1 over to another, larger map.
common::Result<void> copy_rule_counts(int from_fd, int to_fd, std::uint32_t rules);

}  // namespace krait::datapath
