// Events from the ring buffer krait_events. Each is handed out once, to one reader at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krait/abi/maps.h"

namespace krait::datapath {

class EventReader {
 public:
  // Of a guarded interface, by its pins. Fails with not_found when there are none, with unavailable while
  // somebody else reads. Needs CAP_BPF.
  static common::Result<EventReader> open(const std::string& bpffs, const std::string& interface);
  // Of a ring buffer; the descriptor stays the caller's and need not outlive the call.
  static common::Result<EventReader> of_map(int map_fd);

  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;
  ~EventReader();

  // Waits for events, at most this long (0: not at all; -1: until there are some or a signal comes), and takes all.
  common::Result<std::vector<krait_event>> read(int timeout_ms);

 private:
  struct State;
  explicit EventReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace krait::datapath
