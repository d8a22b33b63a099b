// What a running sender or receiver has seen, in a file that other processes map: scripts await events on it instead of
// sleeping.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace lab {

enum class Phase : std::uint32_t { none, listening, connecting, connected, paused, closed, finished };

inline constexpr std::size_t kTimes = std::size_t{1} << 16U;

// The file's contents. One process writes, any number read. Times are CLOCK_REALTIME in nanoseconds: what the kernel
// stamps packets with.
struct Counts {
  std::atomic<std::uint32_t> events;   // grows with every change; a futex
  std::atomic<std::uint32_t> waiters;  // processes asleep on it
  std::atomic<Phase> phase;
  std::atomic<std::uint32_t> pid;
  std::atomic<std::uint32_t> error;        // errno that ended the connection, 0: none
  std::atomic<std::uint32_t> connections;  // TCP: accepted or made so far
  std::atomic<std::uint64_t> sent;         // records
  std::atomic<std::uint64_t> received;
  std::atomic<std::uint64_t> highest;    // highest sequence number received plus 1
  std::atomic<std::uint64_t> misplaced;  // records out of sequence
  std::atomic<std::uint64_t> first_ns;   // when the kernel got the first packet of the present connection
  std::atomic<std::uint64_t> last_ns;    // ... and the last one
  std::atomic<std::uint64_t> largest_gap_ns;
  std::array<std::atomic<std::uint64_t>, kTimes> times_ns;  // of the last kTimes records received, as a ring
};

// A mapping of a state file. Move-only.
class State {
 public:
  // Maps the file, makes it when it does not exist.
  static common::Result<State> open(const std::string& path);

  State(State&& other) noexcept;
  State& operator=(State&&) = delete;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  [[nodiscard]] Counts& counts() const { return *counts_; }

  // For the writer.
  void begin(Phase phase) const;  // clears everything, notes this process
  void change(Phase phase) const;
  void connected() const;  // a new connection: its counts begin at zero
  void count_sent() const;
  void count_received(std::uint64_t sequence, std::uint64_t time_ns) const;
  void announce() const;  // wakes who waits

  // Blocks until `holds` or the time is up; false then.
  [[nodiscard]] bool wait(const std::function<bool(const Counts&)>& holds, std::uint64_t max_ms) const;
  // A number of Counts by its name there; nothing where none is called so.
  [[nodiscard]] std::optional<std::uint64_t> field(std::string_view name) const;
  // Records that the kernel got later than `after_ns` and not later than `until_ns`; of more than kTimes the last ones
  // only.
  [[nodiscard]] std::uint64_t received_within(std::uint64_t after_ns, std::uint64_t until_ns) const;

 private:
  void clear() const;

  explicit State(Counts* counts) : counts_(counts) {}
  Counts* counts_;
};

std::uint64_t realtime_ns();
std::uint64_t monotonic_ns();

}  // namespace lab
