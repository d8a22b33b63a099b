#include "krata/reconcile/reconcile.h"

#include <utility>

namespace krata::reconcile {

Outcome run(std::span<const PlannedStep> steps, StepPort& port) {
  Outcome outcome;
  for (const PlannedStep& planned : steps) {
    auto carried = port.carry_out(planned.step);
    if (carried && *carried == Progress::pending) {
      outcome.pending = planned.step;
      return outcome;
    }
    if (carried) {
      outcome.done.push_back(planned.step);
      continue;
    }
    FailedStep failed{.step = planned.step,
                      .error = std::move(carried.error()).with_context(std::string(doing(planned.step)))};
    if (planned.failing == Failing::ends) {
      outcome.failed = std::move(failed);
      return outcome;
    }
    outcome.noted.push_back(std::move(failed));
  }
  return outcome;
}

}  // namespace krata::reconcile
