// The metrics page: what is in force as Prometheus text. Pure.
#pragma once

#include <string>

#include "krait/control/state.h"
#include "krait/model/policy.h"

namespace krait::agent {

std::string metrics_text(const model::Policy& policy, const control::State& state, const control::Rules& rules);

}  // namespace krait::agent
