// Says when the calendar clock was set, by hand or by a jump of NTP.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace krait::agent {

class ClockWatch {
 public:
  static common::Result<ClockWatch> create();

  // Readable once the clock was set.
  [[nodiscard]] int fd() const { return timer_.get(); }
  // Whether it was, since the last call. Does not block.
  common::Result<bool> was_set();

 private:
  explicit ClockWatch(common::Fd timer) : timer_(std::move(timer)) {}
  common::Result<void> arm();

  common::Fd timer_;
};

}  // namespace krait::agent
