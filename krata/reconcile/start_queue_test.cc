#include "krata/reconcile/start_queue.h"

#include <gtest/gtest.h>

namespace krata::reconcile {
namespace {

model::ZoneId zone(int number) { return model::ZoneId::of_random({static_cast<std::uint8_t>(number)}); }

TEST(StartQueue, LetsAsManyStartAsThereArePlacesInTheOrderInWhichTheyAsked) {
  StartQueue queue(2);
  EXPECT_TRUE(queue.ask(zone(1)));
  EXPECT_TRUE(queue.ask(zone(2)));
  for (const int number : {3, 4, 5}) {
    EXPECT_FALSE(queue.ask(zone(number)));
  }
  EXPECT_EQ(queue.waiting(), 3U);
  EXPECT_TRUE(queue.ask(zone(1))) << "who has a place keeps it";
  EXPECT_TRUE(queue.leave(zone(1)));
  EXPECT_FALSE(queue.ask(zone(4))) << "it is the turn of 3";
  EXPECT_TRUE(queue.ask(zone(3)));
  EXPECT_FALSE(queue.ask(zone(4)));
  EXPECT_TRUE(queue.leave(zone(2)));
  EXPECT_TRUE(queue.ask(zone(4)));
  EXPECT_TRUE(queue.is_waiting(zone(5)));
  EXPECT_FALSE(queue.has_place(zone(5)));
}

TEST(StartQueue, WhoDoesNotWaitAnyMoreHoldsNobodyUp) {
  StartQueue queue(1);
  EXPECT_TRUE(queue.ask(zone(1)));
  EXPECT_FALSE(queue.ask(zone(2)));
  EXPECT_FALSE(queue.ask(zone(3)));
  EXPECT_FALSE(queue.leave(zone(2))) << "there is no place yet";
  EXPECT_TRUE(queue.leave(zone(1)));
  EXPECT_TRUE(queue.leave(zone(7)) || queue.ask(zone(3)));
  EXPECT_FALSE(queue.leave(zone(3))) << "nobody waits";
  EXPECT_FALSE(queue.leave(zone(3))) << "it has left";
}

TEST(StartQueue, HasOnePlaceAtLeast) { EXPECT_TRUE(StartQueue(0).ask(zone(1))); }

TEST(Start, GoesOnForAsLongAsItsKernelWorksATenthOfTheTime) {
  using std::chrono::milliseconds;
  constexpr std::uint64_t kMs = 1'000'000;
  const Start::Time begun{};
  Start start(begun, 5 * kMs);
  EXPECT_TRUE(start.goes_on(begun + milliseconds(249), 5 * kMs)) << "too early to tell";
  EXPECT_TRUE(start.goes_on(begun + milliseconds(250), 30 * kMs));
  EXPECT_TRUE(start.goes_on(begun + milliseconds(300), 30 * kMs));
  EXPECT_FALSE(start.goes_on(begun + milliseconds(500), 54 * kMs));
}

TEST(Start, EndsAfterAWhile) {
  using std::chrono::seconds;
  const Start::Time begun{};
  Start start(begun, 0);
  EXPECT_TRUE(start.goes_on(begun + seconds(19), 19'000'000'000));
  EXPECT_FALSE(start.goes_on(begun + seconds(20), 20'000'000'000));
}

}  // namespace
}  // namespace krata::reconcile
