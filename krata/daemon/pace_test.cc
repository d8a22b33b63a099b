#include "krata/daemon/pace.h"

#include <gtest/gtest.h>

namespace krata::daemon {
namespace {

TEST(Pace, PausesAfterAsMuchAsThereIsRoomFor) {
  const auto loop = common::Loop::create().value();
  int calls = 0;
  auto pace = Pace::create(*loop, [&] {
                ++calls;
                loop->stop();
              }).value();
  const std::size_t room = pace.room();
  ASSERT_GT(room, 0U);
  pace.took(room / 2);
  EXPECT_EQ(pace.room(), room - room / 2);
  pace.took(room);  // more than was left: it was much work
  EXPECT_EQ(pace.room(), 0U);
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(pace.room(), room);
}

}  // namespace
}  // namespace krata::daemon
