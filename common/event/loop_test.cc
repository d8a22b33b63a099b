#include "common/event/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace common {
namespace {

// What was ready in the same round as a krait down must not set the interface up again behind it.
TEST(LoopTest, CallsNobodyOnceItIsStopped) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop) << loop.error().text();
  const Fd first(::eventfd(1, EFD_CLOEXEC));
  const Fd second(::eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  for (const int fd : {first.get(), second.get()}) {
    ASSERT_TRUE((*loop)->add(fd, EPOLLIN, [&](std::uint32_t) {
      ++calls;
      (*loop)->stop();
    }));
  }
  ASSERT_TRUE((*loop)->run());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace common
