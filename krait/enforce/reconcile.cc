#include "krait/enforce/reconcile.h"

namespace krait::enforce {

Outcome run(std::span<const PlannedStep> steps, StepPort& port) {
  return common::run_steps(steps, [&](Step step) { return port.carry_out(step); });
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
