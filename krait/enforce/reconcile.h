// Carries steps out, one after the other.
#pragma once

#include <span>
#include <string_view>

#include "common/result.h"
#include "common/steps.h"
#include "krait/enforce/steps.h"

namespace krait::enforce {

// Who has the effects: the kernel, or a test's world. One thread.
class StepPort {
 public:
  virtual ~StepPort() = default;
  virtual common::Result<void> carry_out(Step step) = 0;
};

using FailedStep = common::FailedStep<Step>;
using Outcome = common::Outcome<Step>;

Outcome run(std::span<const PlannedStep> steps, StepPort& port);

// After a failure: whose policy decides now, for the error's text. Pure.
std::string_view in_force_text(const Observed& before, const Outcome& outcome);

}  // namespace krait::enforce
