// Carries steps out, one after the other.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "common/result.h"
#include "krait/enforce/steps.h"

namespace krait::enforce {

// Who has the effects: the kernel, or a test's world. One thread.
class StepPort {
 public:
  virtual ~StepPort() = default;
  virtual common::Result<void> carry_out(Step step) = 0;
};

struct FailedStep {
  Step step;
  common::Error error;
};

struct Outcome {
  std::vector<Step> done{};
  std::optional<FailedStep> failed{};  // what depends on it was left out
  std::vector<FailedStep> noted{};     // nothing depends on these

  [[nodiscard]] bool has_done(Step step) const;
};

Outcome run(std::span<const PlannedStep> steps, StepPort& port);

// After a failure: whose policy decides now, for the error's text. Pure.
std::string_view in_force_text(const Observed& before, const Outcome& outcome);

}  // namespace krait::enforce
