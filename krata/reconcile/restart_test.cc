#include "krata/reconcile/restart.h"

#include <gtest/gtest.h>

namespace krata::reconcile {
namespace {

model::ZoneRecord ended(std::int32_t code, std::int64_t ran_s) {
  model::ZoneRecord record;
  record.spec.restart = model::Restart::on_failure;
  record.started_s = 1000;
  record.ended_s = 1000 + ran_s;
  record.end = model::End{.reason = model::End::Reason::exited, .code = code};
  return record;
}

TEST(Restart, OnlyAFailureIsStartedAgain) {
  EXPECT_EQ(restart_at_s(ended(0, 5), 0), std::nullopt);
  EXPECT_EQ(restart_at_s(ended(1, 5), 1), 1006);
  auto never = ended(1, 5);
  never.spec.restart = model::Restart::never;
  EXPECT_EQ(restart_at_s(never, 1), std::nullopt);
  auto stopped = ended(1, 5);
  stopped.goal = model::Goal::stop;
  EXPECT_EQ(restart_at_s(stopped, 1), std::nullopt);
}

TEST(Restart, WhatWasStoppedAndIsToRunIsStartedAgainAndHasNotFailed) {
  auto held = ended(0, 5);
  held.end->reason = model::End::Reason::stopped;
  EXPECT_EQ(restart_at_s(held, 0), 1006);
  held.end->code = 137;
  EXPECT_EQ(count_failures(held, 3), 0U);
  held.goal = model::Goal::stop;
  EXPECT_EQ(restart_at_s(held, 0), std::nullopt);
}

TEST(Restart, WhatSomebodyStartsWaitsForNothing) {
  auto asked = ended(0, 5);
  asked.spec.restart = model::Restart::never;
  asked.is_to_start = true;
  EXPECT_EQ(restart_at_s(asked, 7), 0);
  asked.goal = model::Goal::stop;
  EXPECT_EQ(restart_at_s(asked, 7), std::nullopt);
  asked.goal = model::Goal::run;
  asked.end.reset();
  EXPECT_EQ(restart_at_s(asked, 7), std::nullopt);
}

TEST(Restart, WaitsLongerEachTimeUpToAMinute) {
  EXPECT_EQ(restart_at_s(ended(1, 5), 2), 1005 + 2);
  EXPECT_EQ(restart_at_s(ended(1, 5), 6), 1005 + 32);
  EXPECT_EQ(restart_at_s(ended(1, 5), 7), 1005 + 60);
  EXPECT_EQ(restart_at_s(ended(1, 5), 4'000'000'000), 1005 + 60);
}

TEST(Restart, ALongRunStartsTheCountAnew) {
  EXPECT_EQ(count_failures(ended(1, 5), 3), 4U);
  EXPECT_EQ(count_failures(ended(1, 60), 3), 1U);
  EXPECT_EQ(count_failures(ended(0, 5), 3), 0U);
}

}  // namespace
}  // namespace krata::reconcile
