// Which steps lead from what there is of a zone to what its owner wants, and in which order. Pure: this is the one
// place that decides the order of effects. simulation_test.cc holds every order against a world that fails, changes and
// ends the daemon between any two steps.
#pragma once

#include <vector>

#include "common/steps.h"
#include "krata/model/zone.h"
#include "krata/reconcile/observed.h"
#include "krata/reconcile/step.h"

namespace krata::reconcile {

using common::Failing;
using PlannedStep = common::PlannedStep<Step>;

// Nothing: all is as it is wanted, or something is waited for. After a list has been carried out the next look may give
// another one.
std::vector<PlannedStep> steps(model::Goal goal, const Observed& observed);

// The steps are a launch: where one of them fails the container cannot be started, and that is given up.
bool is_launch(model::Goal goal, const Observed& observed);

}  // namespace krata::reconcile
