// Whose turn it is to start. Zones that boot side by side on the same CPUs come up together, all as late as the last
// one; so there start as many at a time as there are places, in the order in which they asked. Pure; one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

#include "krata/model/zone.h"

namespace krata::reconcile {

class StartQueue {
 public:
  // `places`: at least one is there.
  explicit StartQueue(std::size_t places);

  // True: it has a place, and may start. False: it waits for one, and is to ask again after somebody has left.
  bool ask(const model::ZoneId& zone);
  // It has started, has failed to, or does not want to any more. True: somebody who waits can have a place now.
  bool leave(const model::ZoneId& zone);

  [[nodiscard]] bool has_place(const model::ZoneId& zone) const { return starting_.contains(zone); }
  [[nodiscard]] bool is_waiting(const model::ZoneId& zone) const;
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  [[nodiscard]] std::size_t free_places() const { return places_ - starting_.size(); }

  std::size_t places_;
  std::set<model::ZoneId> starting_;
  std::deque<model::ZoneId> waiting_;
};

// Whether a zone that has a place is still at it: one whose kernel waits for something holds nobody up.
class Start {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kLook{250};  // so often it is worth a look
  static constexpr std::chrono::seconds kMost{20};        // then others wait no longer
  static constexpr int kMinWork = 10;                     // of a hundred, between two looks

  // `cpu_ns`: what its kernel has worked since the domain was built.
  Start(Time now, std::uint64_t cpu_ns) : begun_at_(now), looked_at_(now), cpu_ns_(cpu_ns) {}
  bool goes_on(Time now, std::uint64_t cpu_ns);

 private:
  Time begun_at_;
  Time looked_at_;
  std::uint64_t cpu_ns_;
};

}  // namespace krata::reconcile
