// Traffic between the hosts of an arena: as much as one CPU can send. The sender runs on CPU 0, the receiver on CPU 1.
// Both ask their sockets again and again instead of sleeping: waking a thread costs more than a filter does, and how
// often it happens is chance.
#pragma once

#include <cstdint>
#include <memory>

#include "bench/net/sockets.h"

namespace krait::bench {

enum class Protocol : std::uint8_t { udp, tcp };

// UDP packets are 64 bytes long, Ethernet header included. A veth hands a packet over within the call that sends it, so
// the sender's CPU does all work up to the receiving socket, the filter's too.
class Load {
 public:
  // When it returns, packets have passed both ways: a TCP connection stands, a UDP datagram was answered. Fails with
  // system when that takes longer than 5 s.
  static common::Result<Load> start(const Arena& arena, Protocol protocol, Way way);

  Load(Load&&) noexcept;
  Load& operator=(Load&&) noexcept;
  ~Load();  // ends the traffic

  // So far. UDP: packets, TCP: bytes.
  [[nodiscard]] std::uint64_t offered() const;  // taken by the sender's kernel
  [[nodiscard]] std::uint64_t arrived() const;  // at the receiving socket, whether or not its reader kept up
  [[nodiscard]] double sender_cpu_s() const;

 private:
  struct State;
  explicit Load(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct Rate {
  double per_s = 0;          // UDP: packets, TCP: bytes
  double sender_cpu_ns = 0;  // for each of them; UDP only, TCP's sender spins
};
// Starts a load towards the guarded host and measures it for so long.
common::Result<Rate> measure(const Arena& arena, Protocol protocol, double seconds);

}  // namespace krait::bench
