// What the peers of an interface that somebody else manages may send from, beside what krait.toml gives them.
#pragma once

#include <string>
#include <vector>

#include "krait/control/state.h"
#include "krait/plan/plan.h"

namespace krait::enforce {

// Whoever may send from an address speaks as the identity that the configuration gives it. Blocks on the kernel.
std::vector<control::Fault> surplus_faults(const plan::Plan& plan, const std::string& interface);

}  // namespace krait::enforce
