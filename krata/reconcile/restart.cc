#include "krata/reconcile/restart.h"

#include <algorithm>

namespace krata::reconcile {

namespace {

// It was stopped, and is to run nevertheless: a host that shuts down stops zones so.
bool was_held(const model::ZoneRecord& record) {
  return record.goal == model::Goal::run && record.end && record.end->reason == model::End::Reason::stopped;
}

}  // namespace

std::optional<std::int64_t> restart_at_s(const model::ZoneRecord& record, std::uint32_t failures) {
  if (record.goal == model::Goal::run && record.end && record.is_to_start) {
    return 0;
  }
  if (record.goal != model::Goal::run || record.spec.restart != model::Restart::on_failure || !record.end ||
      (!record.end->is_failure() && !was_held(record))) {
    return std::nullopt;
  }
  std::chrono::seconds delay = kFirstDelay;
  for (std::uint32_t i = 1; i < failures && delay < kMaxDelay; ++i) {
    delay *= 2;
  }
  return record.ended_s + std::min(delay, kMaxDelay).count();
}

model::Goal goal_now(model::Goal goal, bool is_held) {
  return is_held && goal == model::Goal::run ? model::Goal::stop : goal;
}

std::uint32_t count_failures(const model::ZoneRecord& record, std::uint32_t before) {
  if (!record.end || !record.end->is_failure() || was_held(record)) {
    return 0;
  }
  const bool was_long = record.started_s != 0 && record.ended_s - record.started_s >= kLongRun.count();
  return was_long ? 1 : before + 1;
}

}  // namespace krata::reconcile
