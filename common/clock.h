// Clocks.
#pragma once

#include <cstdint>

namespace common {

// One instant on both clocks.
struct Moment {
  std::int64_t unix_ns = 0;   // CLOCK_REALTIME: what calendars say; may be set
  std::uint64_t boot_ns = 0;  // CLOCK_BOOTTIME: since the machine started, suspended or not; never set
};

Moment now();

}  // namespace common
