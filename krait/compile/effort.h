// What compiling a policy has cost so far. A policy's size is bounded, but not what it multiplies to: one that would
// take too long is refused as soon as that shows.
#pragma once

#include <cstdint>

namespace krait::compile {

// The most steps of comparing port ranges and expiries, over all pairs of identity classes: about a second.
inline constexpr std::uint64_t kMaxSteps = 80'000'000;

class Effort {
 public:
  // To be called before the work. False when the steps are more than were left; from then on there are none.
  bool spend(std::uint64_t steps) {
    exhausted_ = exhausted_ || steps > left_;
    left_ -= exhausted_ ? left_ : steps;
    return !exhausted_;
  }
  [[nodiscard]] bool exhausted() const { return exhausted_; }

 private:
  std::uint64_t left_ = kMaxSteps;
  bool exhausted_ = false;
};

}  // namespace krait::compile
