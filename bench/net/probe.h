// When does the first packet come through? A thread on CPU 0 sends one UDP packet after the other and looks whether it
// arrived, which a veth and a TUN do within the call that sends it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "bench/net/sockets.h"
#include "common/fd.h"

namespace krait::bench {

class Probe {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Towards the guarded host.
  static common::Result<std::unique_ptr<Probe>> make(const Arena& arena);
  // `send` sends one packet that this socket receives; it is called by the probe's thread.
  Probe(std::function<void()> send, common::Fd receiver);

  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe();

  // Sends from now on until a packet arrives.
  void begin();
  // When it was seen to have arrived. Blocks; fails with system when nothing arrives for 10 s.
  common::Result<Time> arrival();

 private:
  enum class Phase : std::uint8_t { idle, sending, ending };

  void work();

  std::function<void()> send_;
  common::Fd receiver_;
  std::atomic<Phase> phase_ = Phase::idle;
  Time arrival_;  // written before the phase goes back to idle
  std::thread thread_;
};

}  // namespace krait::bench
