// Reading the per-CPU counters.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "krait/datapath/datapath.h"

namespace krait::datapath {

// Sums over the CPUs. Costs a system call for each bucket: call it when somebody asks.
common::Result<Counters> read_counters(int pairs_fd, std::uint32_t pair_buckets, int drops_fd);

}  // namespace krait::datapath
