// Carries steps out, one after the other.
#pragma once

#include <span>

#include "common/result.h"
#include "common/steps.h"
#include "krata/reconcile/steps.h"

namespace krata::reconcile {

using common::Progress;

// Who has the effects on one zone: the host, or a test's world. One thread.
class StepPort {
 public:
  virtual ~StepPort() = default;
  virtual common::Result<Progress> carry_out(Step step) = 0;
};

using FailedStep = common::FailedStep<Step>;  // its error says what was being done
using Outcome = common::Outcome<Step>;

Outcome run(std::span<const PlannedStep> steps, StepPort& port);

}  // namespace krata::reconcile
