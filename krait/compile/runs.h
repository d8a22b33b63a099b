// What rules say of the port classes, as runs of classes with the same cell.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "krait/abi/snapshot.h"
#include "krait/compile/cells.h"
#include "krait/compile/classes.h"
#include "krait/compile/effort.h"

namespace krait::compile {

using Runs = std::vector<krait_run>;  // ascending, neighbours differ, the first at class 0

// Where the effort or the moments are exhausted (Effort::exhausted(), Cells::is_full()), both give anything soon.

// What the strongest of these rules says of each port class, whomever they name.
Runs runs_of(Cells& cells, const Classes& classes, std::span<const std::uint32_t> rules, Effort& effort);

// At every class the stronger cell of the two.
Runs merge(Cells& cells, const Runs& a, const Runs& b, Effort& effort);

}  // namespace krait::compile
