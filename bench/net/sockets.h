// Sockets in an arena, and threads on one CPU.
#pragma once

#include <cstdint>

#include "bench/net/arena.h"
#include "bench/scale.h"
#include "common/fd.h"
#include "common/result.h"

namespace krait::bench {

struct Ends {
  common::Fd sender;
  common::Fd receiver;
};

enum class Way : std::uint8_t { to_guarded, from_guarded };  // where the data goes; the rules know to_guarded

// The sender is connected; the receiver's buffer is large.
common::Result<Ends> udp_ends(const Arena& arena, Way way, std::uint16_t port = kServicePort);
// The sender connects. Fails with system after 5 s without a connection.
common::Result<Ends> tcp_ends(const Arena& arena, Way way);

// Packets for this UDP socket that found its buffer full.
std::uint64_t overflowed(const common::Fd& socket);

// Where there are fewer CPUs the calling thread runs anywhere.
void run_on_cpu(unsigned cpu);

}  // namespace krait::bench
