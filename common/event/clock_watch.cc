#include "common/event/clock_watch.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>

namespace common {

Result<ClockWatch> ClockWatch::create() {
  Fd timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) {
    return Error::from_errno(errno, "make a timer");
  }
  ClockWatch clock(std::move(timer));
  KRAIT_CHECK(clock.arm());
  return clock;
}

// A timer that never goes off, cancelled when the clock is set (timerfd_create(2)).
Result<void> ClockWatch::arm() {
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0) {
    return Error::from_errno(errno, "watch the clock");
  }
  return {};
}

Result<bool> ClockWatch::was_set() {
  std::uint64_t expirations = 0;
  const bool cancelled = ::read(timer_.get(), &expirations, sizeof(expirations)) < 0 && errno == ECANCELED;
  if (!cancelled) {
    return false;
  }
  KRAIT_CHECK(arm());
  return true;
}

}  // namespace common
