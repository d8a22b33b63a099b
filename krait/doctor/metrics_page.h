// The agent's metrics page, as whoever scrapes it would get it.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.h"

namespace krait::doctor {

// Asks where the agent has it by default or by KRAIT_METRICS; IPv4 only. Gives hardly more than `max_bytes`, and
// waits 20 s at most.
common::Result<std::string> metrics_page(std::size_t max_bytes);

}  // namespace krait::doctor
