// Whether two texts are the same, without keeping them.
#pragma once

#include <cstdint>
#include <string_view>

namespace common {

// 128 bits of XXH3: for accidents, not for adversaries.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  static Digest of(std::string_view text);
  bool operator==(const Digest&) const = default;
};

}  // namespace common
