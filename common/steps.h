// Steps in an order, and the one way to carry them out. Which steps lead from what there is to what is wanted is each
// program's own pure function (krait/enforce/steps.h, krata/reconcile/steps.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/result.h"

namespace common {

enum class Failing : std::uint8_t {
  ends,      // what follows depends on it, and is left out
  is_noted,  // what follows goes on
};

template <typename Step>
struct PlannedStep {
  Step step;
  Failing failing = Failing::ends;
  bool in_any_case = false;  // also when one before has failed

  bool operator==(const PlannedStep&) const = default;
};

template <typename Step>
class StepList {
 public:
  void add(std::initializer_list<Step> steps) {
    for (const Step step : steps) {
      steps_.push_back({.step = step});
    }
  }
  void add_if(bool wanted, Step step) {
    if (wanted) {
      add({step});
    }
  }
  // What stands beside the way to the goal: nothing depends on it.
  void add_beside(std::initializer_list<Step> steps) {
    for (const Step step : steps) {
      steps_.push_back({.step = step, .failing = Failing::is_noted});
    }
  }
  void add_beside_if(bool wanted, Step step) {
    if (wanted) {
      add_beside({step});
    }
  }
  void add_in_any_case(std::initializer_list<Step> steps) {
    for (const Step step : steps) {
      steps_.push_back({.step = step, .failing = Failing::is_noted, .in_any_case = true});
    }
  }
  std::vector<PlannedStep<Step>> take() { return std::move(steps_); }

 private:
  std::vector<PlannedStep<Step>> steps_;
};

enum class Progress : std::uint8_t {
  done,
  pending,  // it has begun: whoever carries it out says when to look again
};

template <typename Step>
struct FailedStep {
  Step step;
  Error error;
};

template <typename Step>
struct Outcome {
  std::vector<Step> done{};
  std::optional<FailedStep<Step>> failed{};  // what depends on it was left out
  std::optional<Step> pending{};             // likewise
  std::vector<FailedStep<Step>> noted{};     // nothing depends on these

  [[nodiscard]] bool has_done(Step step) const { return std::ranges::find(done, step) != done.end(); }
};

inline bool is_pending(const Result<void>& /*carried*/) { return false; }
inline bool is_pending(const Result<Progress>& carried) { return carried && *carried == Progress::pending; }

// One after the other. `carry_out`, of a Step, gives a Result<void>, or a Result<Progress> where steps take their time.
template <typename Step, typename CarryOut>
Outcome<Step> run_steps(std::span<const PlannedStep<Step>> steps, const CarryOut& carry_out) {
  Outcome<Step> outcome;
  for (const PlannedStep<Step>& planned : steps) {
    if ((outcome.failed || outcome.pending) && !planned.in_any_case) {
      continue;
    }
    auto carried = carry_out(planned.step);
    if (is_pending(carried)) {
      outcome.pending = planned.step;
    } else if (carried) {
      outcome.done.push_back(planned.step);
    } else if (planned.failing == Failing::ends) {
      outcome.failed = {.step = planned.step, .error = std::move(carried.error())};
    } else {
      outcome.noted.push_back({.step = planned.step, .error = std::move(carried.error())});
    }
  }
  return outcome;
}

}  // namespace common
