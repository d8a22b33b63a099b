// Filters of the clsact qdisc, for kernels without TCX.
#pragma once

#include <cstdint>

#include "common/result.h"

namespace krait::datapath {

enum class Side : std::uint8_t { ingress, egress };

// A filter's place among those of one interface and side.
struct Filter {
  std::uint32_t interface_index = 0;
  Side side = Side::ingress;
  std::uint32_t priority = 0;  // lower ones run first
  std::uint32_t handle = 0;
};

inline constexpr std::uint32_t kFirstPriority = 1;
inline constexpr std::uint32_t kLastPriority = 0xffff;

// The kernel's number of the filter's program; 0: there is no such filter.
std::uint32_t program_of(const Filter& filter);

// Puts the filter with this program there, atomically in the place of the one that has its place. True when the filter
// had another program, or was not there.
common::Result<bool> renew_filter(const Filter& filter, int program_fd);
void take_filter(const Filter& filter);

// True when it was not there before; one of the kind ingress counts as there.
common::Result<bool> make_qdisc(std::uint32_t interface_index);
// With all filters. No error when there is none.
common::Result<void> remove_qdisc(std::uint32_t interface_index);

}  // namespace krait::datapath
