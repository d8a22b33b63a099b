// Says when the calendar clock was set, by hand or by a jump of NTP.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace common {

class ClockWatch {
 public:
  static Result<ClockWatch> create();

  // Readable once the clock was set.
  [[nodiscard]] int fd() const { return timer_.get(); }
  // Whether it was, since the last call. Does not block.
  Result<bool> was_set();

 private:
  explicit ClockWatch(Fd timer) : timer_(std::move(timer)) {}
  Result<void> arm();

  Fd timer_;
};

}  // namespace common
