// When a container that ended is started again. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "krata/model/zone.h"

namespace krata::reconcile {

inline constexpr std::chrono::seconds kFirstDelay{1};  // doubled with each failure that follows soon
inline constexpr std::chrono::seconds kMaxDelay{60};
inline constexpr std::chrono::seconds kLongRun{60};  // a run of that time starts the count anew

// The Unix time at which the next run begins, which is past where somebody has asked for it; nothing: there is none.
// `failures`: runs in a row that failed soon, this one included (count_failures).
std::optional<std::int64_t> restart_at_s(const model::ZoneRecord& record, std::uint32_t failures);

// What is wanted now of a zone that is held, or not: one that is to run is stopped, and to run stays its goal for the
// next daemon.
model::Goal goal_now(model::Goal goal, bool is_held);

// How many failed in a row, after `before` and the run that the record tells of.
std::uint32_t count_failures(const model::ZoneRecord& record, std::uint32_t before);

}  // namespace krata::reconcile
