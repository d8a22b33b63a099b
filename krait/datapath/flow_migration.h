// Carrying the flows of one table over to another: what is established stays so when a table of another size takes
// over.
#pragma once

#include <cstdint>
#include <functional>

#include "common/result.h"
#include "krait/abi/maps.h"

namespace krait::datapath {

// For a new table's hash.
common::Result<krait_flow_seeds> draw_seeds();

// Writes the head of a new table, which has no flows yet.
common::Result<void> begin_flows(int flows_fd, const krait_flow_seeds& seeds);

// What the table's hash is keyed with.
common::Result<krait_flow_seeds> read_seeds(int flows_fd);

// Shows every bucket that has flows to `rewrite` and writes back what that makes of it.
common::Result<void> rewrite_flows(int flows_fd, const std::function<void(krait_flow_bucket&)>& rewrite);

// Of a table that has been seeded; 0: it cannot be read.
std::uint64_t flows_layout(int flows_fd);

// Whether the table's flows can be used or carried over by this version. Fails with unsupported, naming the hint, when
// its layout is of a later one.
common::Result<void> check_flows_layout(int flows_fd);

// Puts every flow of `from_fd` into `to_fd` that is not there yet. Programs may use both meanwhile. A flow that finds
// its bucket full takes the place of the one that was silent longest, if that was silent longer than itself. Two or
// three system calls a flow.
common::Result<void> carry_flows(int from_fd, int to_fd);

// The step for one flow: puts it into its bucket under `mark`. False: it is there already, or all others are younger.
bool place_flow(krait_flow_bucket& bucket, const krait_flow& flow, std::uint64_t mark);

}  // namespace krait::datapath
