#include "krata/reconcile/reconcile.h"

#include <string>
#include <utility>

namespace krata::reconcile {

Outcome run(std::span<const PlannedStep> steps, StepPort& port) {
  return common::run_steps(steps, [&](Step step) {
    auto carried = port.carry_out(step);
    return carried ? std::move(carried)
                   : common::Result<Progress>(std::move(carried.error()).with_context(std::string(doing(step))));
  });
}

}  // namespace krata::reconcile
