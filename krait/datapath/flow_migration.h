// Carrying the flows of one table over to another: what is established stays so when a table of another size takes
// over.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "krait/abi/maps.h"

namespace krait::datapath {

// Gives a new flow table its seeds and its layout; one that has seeds keeps both.
common::Result<void> seed_flows(int flows_fd);

// What the table's hash is keyed with.
common::Result<krait_flow_seeds> read_seeds(int flows_fd);

// Of a table that has been seeded; 0: it cannot be read.
std::uint64_t flows_layout(int flows_fd);

// Whether the table's flows can be used or carried over by this version. Fails with unsupported, naming the mend, when
// its layout is of a later one.
common::Result<void> check_flows_layout(int flows_fd);

// Puts every flow of `from_fd` into `to_fd` that is not there yet. Programs may use both meanwhile. A flow that finds
// its bucket full takes the place of the one that was silent longest, if that was silent longer than itself. Two or
// three system calls a flow.
common::Result<void> carry_flows(int from_fd, int to_fd);

// The step for one flow: puts it into its bucket under `mark`. False: it is there already, or all others are younger.
bool place_flow(krait_flow_bucket& bucket, const krait_flow& flow, std::uint64_t mark);

}  // namespace krait::datapath
