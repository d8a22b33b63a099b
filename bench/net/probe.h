// When does the first packet come through? A thread on CPU 0 sends one UDP packet after the other and looks whether it
// arrived, which a veth does within the call that sends it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "bench/net/sockets.h"

namespace krait::bench {

class Probe {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Towards the guarded host.
  static common::Result<std::unique_ptr<Probe>> make(const Arena& arena);

  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe();

  // Sends from now on until a packet arrives.
  void begin();
  // When it was seen to have arrived. Blocks; fails with system when nothing arrives for 10 s.
  common::Result<Time> arrival();

 private:
  enum class Phase : std::uint8_t { idle, sending, ending };

  explicit Probe(Ends ends);
  void work();

  Ends ends_;
  std::atomic<Phase> phase_ = Phase::idle;
  Time arrival_;  // written before the phase goes back to idle
  std::thread thread_;
};

}  // namespace krait::bench
