// Sizes of the tables that do not grow with the policy: flows, pairs and fragments of [limits].
#pragma once

#include <cstdint>

#include "krait/abi/maps.h"
#include "krait/model/limits.h"

namespace krait::datapath {

// Within the ranges of krait/model/limits.h.
struct TableSizes {
  std::uint32_t flows = model::Limits{}.flows;
  std::uint32_t pairs = model::Limits{}.pairs;
  std::uint32_t fragments = model::Limits{}.fragments;

  [[nodiscard]] constexpr std::uint32_t flow_buckets() const { return flows / KRAIT_FLOW_WAYS; }
  [[nodiscard]] constexpr std::uint32_t pair_buckets() const { return pairs / KRAIT_PAIR_SLOTS; }
  bool operator==(const TableSizes&) const = default;
};

}  // namespace krait::datapath
