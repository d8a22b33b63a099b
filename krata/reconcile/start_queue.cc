#include "krata/reconcile/start_queue.h"

#include <algorithm>

namespace krata::reconcile {

StartQueue::StartQueue(std::size_t places) : places_(std::max<std::size_t>(places, 1)) {}

bool StartQueue::is_waiting(const model::ZoneId& zone) const {
  return std::ranges::find(waiting_, zone) != waiting_.end();
}

bool StartQueue::ask(const model::ZoneId& zone) {
  if (has_place(zone)) {
    return true;
  }
  auto place = std::ranges::find(waiting_, zone);
  if (place == waiting_.end()) {
    place = waiting_.insert(waiting_.end(), zone);
  }
  if (static_cast<std::size_t>(place - waiting_.begin()) >= free_places()) {
    return false;
  }
  waiting_.erase(place);
  starting_.insert(zone);
  return true;
}

bool StartQueue::leave(const model::ZoneId& zone) {
  const bool was_there = starting_.erase(zone) + std::erase(waiting_, zone) > 0;
  return was_there && !waiting_.empty() && free_places() > 0;
}

bool Start::goes_on(Time now, std::uint64_t cpu_ns) {
  const auto passed = now - looked_at_;
  if (passed < kLook) {
    return true;
  }
  const std::chrono::nanoseconds worked(cpu_ns - cpu_ns_);
  looked_at_ = now;
  cpu_ns_ = cpu_ns;
  return worked * 100 >= passed * kMinWork && now - begun_at_ < kMost;
}

}  // namespace krata::reconcile
