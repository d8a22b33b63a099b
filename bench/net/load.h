// Traffic from the peer to the guarded host: as much as one CPU can send. The sender runs on CPU 0, the receiver on
// CPU 1.
#pragma once

#include "bench/net/arena.h"
#include "common/result.h"

namespace krait::bench {

// UDP packets of 64 bytes, Ethernet header included. A veth hands a packet over within the call that sends it, so the
// sender's CPU does all work up to the receiving socket, the filter's too.
struct UdpRate {
  double packets_per_s = 0;    // that came to the socket, whether or not its reader kept up
  double cpu_ns_a_packet = 0;  // of the sender's CPU
};
common::Result<UdpRate> measure_udp(const Arena& arena, double seconds);

// One connection, in Gbit/s of what the receiver read.
common::Result<double> measure_tcp(const Arena& arena, double seconds);

}  // namespace krait::bench
