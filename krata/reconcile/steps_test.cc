#include "krata/reconcile/steps.h"

#include <gtest/gtest.h>

namespace krata::reconcile {
namespace {

// It runs, and its console cannot be heard.
Observed mute() {
  return {.domain = Domain::running,
          .was_built = true,
          .has_folder = true,
          .has_root = true,
          .has_bundle = true,
          .has_devices = true,
          .has_disks = true};
}

// Whether the plan comes to `wanted` where that step fails.
bool leads_to(const std::vector<PlannedStep>& planned, Step wanted, Step failing) {
  for (const PlannedStep& step : planned) {
    if (step.step == wanted) {
      return true;
    }
    if (step.step == failing && step.failing == Failing::ends) {
      return false;
    }
  }
  return false;
}

TEST(Steps, AZoneThatCannotBeHeardIsAskedToStop) {
  EXPECT_TRUE(leads_to(steps(model::Goal::stop, mute()), Step::ask_to_stop, Step::hear));
}

TEST(Steps, AndEndedWithoutItsWordsAtLast) {
  Observed observed = mute();
  observed.is_patience_over = true;
  EXPECT_FALSE(leads_to(steps(model::Goal::forget, observed), Step::note_end, Step::hear)) << "its words come first";
  observed.has_given_up = true;
  EXPECT_TRUE(leads_to(steps(model::Goal::forget, observed), Step::note_end, Step::hear));
  EXPECT_TRUE(leads_to(steps(model::Goal::forget, observed), Step::note_end, Step::drain));
}

}  // namespace
}  // namespace krata::reconcile
