// What a data path tells of itself: plain values.
#pragma once

#include <cstdint>
#include <vector>

#include "krait/abi/maps.h"

namespace krait::datapath {

struct PairCount {
  std::uint32_t source_tag = 0;  // 0: unknown, or (overflow) no room in the table
  std::uint32_t destination_tag = 0;
  bool overflow = false;
  krait_count count[KRAIT_DIRECTIONS][KRAIT_VERDICTS];
};

struct Counters {
  std::vector<PairCount> pairs;                // ascending by tags
  krait_drop_count drops[KRAIT_REASON_COUNT];  // by enum krait_reason
};

enum class Attachment : std::uint8_t { none, tcx, clsact };

}  // namespace krait::datapath
