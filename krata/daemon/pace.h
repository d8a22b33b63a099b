// Lets a zone's words through at a bounded rate, so that one that floods its console leaves time for the others.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

#include "common/event/timer.h"
#include "common/result.h"

namespace krata::daemon {

class Pace {
 public:
  // `go_on` is called when there is room again.
  static common::Result<Pace> create(common::Loop& loop, std::function<void()> go_on) {
    KRAIT_TRY(auto timer, common::Timer::create(loop, std::move(go_on)));
    return Pace(std::move(timer));
  }

  // How many bytes may be taken in this turn; 0: go_on() will be called.
  std::size_t room() {
    if (Clock::now() - begun_ >= kPeriod) {
      begun_ = Clock::now();
      taken_bytes_ = 0;
    }
    return kBytes - taken_bytes_;
  }
  // Counted may be more than what was taken, where that makes more work. After as much as there is room for comes a
  // pause, however long it took: the others have their turn.
  void took(std::size_t bytes) {
    taken_bytes_ = std::min(kBytes, taken_bytes_ + bytes);
    if (taken_bytes_ == kBytes) {
      begun_ = Clock::now();
      timer_.after(kPeriod);
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPeriod{50};
  static constexpr std::size_t kBytes = std::size_t{256} << 10U;

  explicit Pace(common::Timer timer) : timer_(std::move(timer)) {}

  common::Timer timer_;
  Clock::time_point begun_{};
  std::size_t taken_bytes_ = 0;
};

}  // namespace krata::daemon
