// The krait object set up and loaded: what Datapath and PacketRunner share.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "common/result.h"
#include "krait/datapath/object.h"
#include "krait/datapath/table_sizes.h"

namespace krait::datapath {

inline constexpr const char* kSnapshotMap = "krait_snapshot";
inline constexpr const char* kFlowsMap = "krait_flows";
inline constexpr const char* kFragmentsMap = "krait_frags";
inline constexpr const char* kPairsMap = "krait_pairs";
inline constexpr const char* kDropsMap = "krait_drops";
inline constexpr const char* kRulesMap = "krait_rules";
inline constexpr const char* kEventsMap = "krait_events";
inline constexpr const char* kWaysMap = "krait_ways";
inline constexpr const char* kTraceMap = "krait_trace";

inline constexpr const char* kEventsPin = "events";

// Elements of krait_rules for a policy of this many rules: a new policy may replace them all and still find numbers
// that nobody used.
constexpr std::uint32_t rule_entries(std::uint32_t rules) {
  return std::max<std::uint32_t>(1024, std::bit_ceil(2 * rules));
}

enum class Framing : std::uint8_t {
  network,   // packets begin with their IP header: krait_ingress, krait_egress
  ethernet,  // behind 14 bytes of Ethernet: krait_in_eth, krait_out_eth
};

// Opened, with the sizes and the constants of this machine set and only that framing's programs; not loaded yet.
common::Result<Object> open_krait_object(Framing framing, const TableSizes& sizes = {});
common::Result<Object> open_guard_object();

// Into the kernel, with a new table of flows, or with one of this layout that other programs use too (-1: none).
common::Result<void> load_krait_object(Object& object, int shared_flows_fd = -1);

// Ticks a second: the resolution of CLOCK_MONOTONIC_COARSE is one tick.
std::uint32_t ticks_per_second();

}  // namespace krait::datapath
