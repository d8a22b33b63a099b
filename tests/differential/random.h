// Seeded randomness that gives the same numbers on every platform.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace krait::differential {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  // 0..count-1; count is not 0. Slightly uneven, which no test minds.
  std::uint32_t below(std::size_t count) { return static_cast<std::uint32_t>(engine_() % count); }
  std::uint32_t between(std::uint32_t first, std::uint32_t last) { return first + below(last - first + 1); }
  bool percent(std::uint32_t chance) { return below(100) < chance; }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace krait::differential
