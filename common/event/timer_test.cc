#include "common/event/timer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <vector>

namespace common {
namespace {

using std::chrono::milliseconds;

class TimerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Loop::create();
    ASSERT_TRUE(made) << made.error().text();
    loop_ = std::move(*made);
  }
  // That calls `handler`.
  Timer timer(Timer::Handler handler) {
    auto made = Timer::create(*loop_, std::move(handler));
    EXPECT_TRUE(made) << made.error().text();
    return std::move(*made);
  }
  // Has the loop end after a while that the test's own timers end within.
  Timer end_after(milliseconds delay) {
    Timer end = timer([this] { loop_->stop(); });
    end.after(delay);
    return end;
  }

  std::unique_ptr<Loop> loop_;
};

TEST_F(TimerTest, GoesOffOnceOrAgainAndAgain) {
  int once_calls = 0;
  int often_calls = 0;
  Timer once = timer([&] { ++once_calls; });
  Timer often = timer([&] {
    if (++often_calls == 3) {
      loop_->stop();
    }
  });
  once.after(milliseconds(0));
  often.every(milliseconds(5));
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(once_calls, 1);
  EXPECT_EQ(often_calls, 3);
}

TEST_F(TimerTest, NotOnceItIsStoppedOrGone) {
  bool called = false;
  Timer stopped = timer([&] { called = true; });
  stopped.after(milliseconds(1));
  stopped.stop();
  {
    Timer gone = timer([&] { called = true; });
    gone.after(milliseconds(1));
  }
  const Timer end = end_after(milliseconds(20));
  ASSERT_TRUE(loop_->run());
  EXPECT_FALSE(called);
}

// Both expire in one round of the loop; the first to be called takes the other's expiration back.
TEST_F(TimerTest, SettingItAnewTakesAnExpirationBack) {
  int calls = 0;
  std::vector<Timer> both(2);
  const auto handler = [&](std::size_t other) {
    ++calls;
    both[other].after(std::chrono::hours(1));
  };
  both[0] = timer([&] { handler(1); });
  both[1] = timer([&] { handler(0); });
  both[0].after(milliseconds(0));
  both[1].after(milliseconds(0));
  const auto until = std::chrono::steady_clock::now() + milliseconds(2);
  while (std::chrono::steady_clock::now() < until) {
  }
  const Timer end = end_after(milliseconds(20));
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(calls, 1);
}

TEST_F(TimerTest, AHandlerMayEndItsOwnTimer) {
  Timer timer_of_test;
  int calls = 0;
  timer_of_test = timer([&] {
    ++calls;
    timer_of_test = {};
  });
  timer_of_test.every(milliseconds(1));
  const Timer end = end_after(milliseconds(20));
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(calls, 1);
}

TEST_F(TimerTest, SignalsComeThroughTheLoop) {
  std::vector<int> got;
  auto signals = Signals::receive(*loop_, {SIGUSR1, SIGUSR2}, [&](int number) {
    got.push_back(number);
    if (number == SIGUSR2) {
      loop_->stop();
    }
  });
  ASSERT_TRUE(signals) << signals.error().text();
  ASSERT_EQ(::raise(SIGUSR1), 0);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(got, (std::vector{SIGUSR1, SIGUSR2}));
}

}  // namespace
}  // namespace common
