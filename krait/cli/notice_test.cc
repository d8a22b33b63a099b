#include "krait/cli/notice.h"

#include <gtest/gtest.h>

namespace krait::cli {
namespace {

TEST(ParseNotice, ReadsReadinessAndStatusInAnyOrder) {
  for (const char* text : {"READY=1\nSTATUS=in force", "STATUS=in force\nMAINPID=7\nREADY=1\n"}) {
    const Notice notice = parse_notice(text);
    EXPECT_TRUE(notice.ready) << text;
    EXPECT_EQ(notice.status, "in force");
  }
}

TEST(ParseNotice, TakesNothingElseForReadiness) {
  for (const char* text : {"", "READY=0", "READY=10", "STATUS=READY=1", "WATCHDOG=1", "READY"}) {
    EXPECT_FALSE(parse_notice(text).ready) << text;
  }
}

TEST(ParseNotice, GivesNothingThatSteersATerminal) {
  EXPECT_EQ(parse_notice("STATUS=a\x1b[2J\rb\x7f").status, "a [2J b ");
}

}  // namespace
}  // namespace krait::cli
