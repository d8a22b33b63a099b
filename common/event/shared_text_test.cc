#include "common/event/shared_text.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

namespace common {
namespace {

class SharedTextTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*Loop::create());
    text_ = std::move(*SharedText::create(*loop_, [this] { return Result<std::string>(std::to_string(++readings_)); }));
  }
  // Ends the loop when the text's own timer, which was set before, has had its turn.
  void run_until_over() {
    const Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    const itimerspec after{.it_interval = {}, .it_value = {.tv_sec = 1, .tv_nsec = 50'000'000}};
    ASSERT_EQ(::timerfd_settime(timer.get(), 0, &after, nullptr), 0);
    ASSERT_TRUE(loop_->add(timer.get(), EPOLLIN, [this](std::uint32_t) { loop_->stop(); }));
    ASSERT_TRUE(loop_->run());
  }

  int readings_ = 0;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<SharedText> text_;
};

TEST_F(SharedTextTest, IsReadOnceForAllWhoAskWithinASecond) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(*text_->get(), "1");
  }
  run_until_over();
  EXPECT_EQ(readings_, 1) << "nothing is read while nobody asks";
  EXPECT_EQ(*text_->get(), "2");
}

TEST_F(SharedTextTest, IsReadAnewWhenItIsNoLongerSo) {
  EXPECT_EQ(*text_->get(), "1");
  text_->forget();
  EXPECT_EQ(*text_->get(), "2");
  EXPECT_EQ(*text_->get(), "2");
}

}  // namespace
}  // namespace common
