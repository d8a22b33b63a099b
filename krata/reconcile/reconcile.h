// Carries steps out, one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/result.h"
#include "krata/reconcile/steps.h"

namespace krata::reconcile {

enum class Progress : std::uint8_t {
  done,
  pending,  // it has begun: whoever carries it out says when to look again
};

// Who has the effects on one zone: the host, or a test's world. One thread.
class StepPort {
 public:
  virtual ~StepPort() = default;
  virtual common::Result<Progress> carry_out(Step step) = 0;
};

struct FailedStep {
  Step step;
  common::Error error;
};

struct Outcome {
  std::vector<Step> done{};
  std::optional<FailedStep> failed{};  // what depends on it was left out
  std::optional<Step> pending{};       // likewise
  std::vector<FailedStep> noted{};     // nothing depends on these
};

Outcome run(std::span<const PlannedStep> steps, StepPort& port);

}  // namespace krata::reconcile
