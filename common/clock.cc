#include "common/clock.h"

#include <ctime>

namespace common {

namespace {

std::int64_t read_ns(clockid_t clock) {
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  timespec time{};
  ::clock_gettime(clock, &time);  // fails only for clocks that do not exist
  return std::int64_t{time.tv_sec} * kNsPerS + time.tv_nsec;
}

}  // namespace

Moment now() {
  return {.unix_ns = read_ns(CLOCK_REALTIME), .boot_ns = static_cast<std::uint64_t>(read_ns(CLOCK_BOOTTIME))};
}

}  // namespace common
