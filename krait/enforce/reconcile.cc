#include "krait/enforce/reconcile.h"

#include <algorithm>
#include <utility>

namespace krait::enforce {

bool Outcome::has_done(Step step) const { return std::ranges::find(done, step) != done.end(); }

Outcome run(std::span<const PlannedStep> steps, StepPort& port) {
  Outcome outcome;
  for (const PlannedStep& planned : steps) {
    if (outcome.failed && !planned.in_any_case) {
      continue;
    }
    auto carried = port.carry_out(planned.step);
    if (carried) {
      outcome.done.push_back(planned.step);
      continue;
    }
    FailedStep failed{.step = planned.step, .error = std::move(carried.error())};
    if (planned.failing == Failing::ends) {
      outcome.failed = std::move(failed);
    } else {
      outcome.noted.push_back(std::move(failed));
    }
  }
  return outcome;
}

std::string_view in_force_text(const Observed& before, const Outcome& outcome) {
  if (outcome.has_done(Step::publish) || outcome.has_done(Step::resume)) {
    return "the new policy is in force";
  }
  if (outcome.has_done(Step::deny)) {
    return "everything is denied";
  }
  return before.is_judged() ? "the former policy stays in force" : "nothing is in force yet";
}

}  // namespace krait::enforce
