#include "common/program.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace common {
namespace {

TEST(Program, GivesItsExitCode) {
  EXPECT_EQ(run_program({"true"}).value(), 0);
  EXPECT_EQ(run_program({"sh", "-c", "exit 7"}).value(), 7);
}

TEST(Program, SaysWhichSignalEndedIt) { EXPECT_EQ(run_program({"sh", "-c", "kill -KILL $$"}).value(), 128 + SIGKILL); }

TEST(Program, HasNothingToReadAndNoShell) {
  EXPECT_EQ(run_program({"sh", "-c", "! read line && [ \"$1\" = '; exit 5' ]", "test", "; exit 5"}).value(), 0);
}

TEST(Program, SaysWhatCannotBeStarted) {
  const auto run = run_program({"/nonexistent/program"});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().sys_errno(), ENOENT);
  EXPECT_NE(run.error().text().find("/nonexistent/program"), std::string::npos);
}

}  // namespace
}  // namespace common
