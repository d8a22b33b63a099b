// The metrics page: what is in force as Prometheus text. Pure.
#pragma once

#include <string>

#include "krait/agent/enforcer.h"

namespace krait::agent {

std::string metrics_text(const model::Policy& policy, const State& state, const Rules& rules);

}  // namespace krait::agent
