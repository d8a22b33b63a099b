// Which steps lead from what the kernel has to what the plan says, and in which order. Pure: this is the one place that
// decides the order of effects (docs/lifecycle.md). simulation_test.cc holds every order against a world that fails,
// changes and ends the agent between any two steps.
#pragma once

#include <cstdint>
#include <vector>

#include "common/steps.h"
#include "krait/enforce/observed.h"
#include "krait/enforce/step.h"

namespace krait::enforce {

using common::Failing;
using PlannedStep = common::PlannedStep<Step>;

enum class Goal : std::uint8_t {
  enforce,         // the plan
  enforce_policy,  // of the plan the policy alone; nothing where none is switched on
  deny,            // everything: krait down --keep-enforcing
  nothing,         // krait down
};

struct Desired {
  Goal goal = Goal::enforce;
  bool is_managed = true;  // krait's own interface, not only guarded
};

std::vector<PlannedStep> steps(const Desired& desired, const Observed& observed);

}  // namespace krait::enforce
