// What the messages say, as values. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "krata/bundle/process.h"
#include "krata/channel/message.h"

namespace krata::channel {

enum class Stream : std::uint8_t { output = 1, error = 2 };

// How a process ended.
struct Exit {
  enum class Reason : std::uint8_t {
    exited = 0,         // by itself; `number` is its exit code
    signalled = 1,      // by the signal `number`
    out_of_memory = 2,  // killed by the zone's kernel for want of memory; `number` is the signal
  };
  Reason reason = Reason::exited;
  std::uint32_t number = 0;
  bool operator==(const Exit&) const = default;

  // As a shell has it: the code, or 128 and the signal.
  [[nodiscard]] std::uint32_t code() const { return reason == Reason::exited ? number : 128 + number; }
};

enum class State : std::uint8_t {
  starting = 0,  // the container does not run yet
  running = 1,
  ended = 2,  // and the zone waits for `exit_taken`
};

}  // namespace krata::channel
