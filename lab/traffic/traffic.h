// Numbered records over TCP and UDP. Each call runs until SIGTERM or SIGINT and keeps the state file up to date.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/ip.h"
#include "common/result.h"

namespace lab {

inline constexpr std::uint64_t kRecordBytes = 1000;  // fits the MTU of a WireGuard interface

struct Plan {
  common::Endpoint endpoint;  // to listen on, or to send to
  std::string state_file;
  std::uint64_t records_per_s = 50;
  std::uint64_t record_bytes = kRecordBytes;  // UDP only: kFewestRecordBytes to kMaxRecordBytes
  std::uint64_t segments = 1;                 // UDP only: records that go to the kernel in one piece, 1 to kMaxSegments
};

inline constexpr std::uint64_t kFewestRecordBytes = 16;
inline constexpr std::uint64_t kMaxRecordBytes = 65'000;
inline constexpr std::uint64_t kMaxSegments = 64;  // UDP_MAX_SEGMENTS of Linux before 6.9

// TCP: both ends send records at the plan's rate as soon as they are connected. The receiver serves one connection at a
// time and takes a new one when it comes; the sender makes one connection and never another.
common::Result<void> serve_tcp(const Plan& plan);
common::Result<void> send_tcp(const Plan& plan);

// UDP: both ends send records at the plan's rate, the receiver to whom it heard from last. Both ends use the same
// record_bytes. SIGUSR1 ends the sending, not the receiving.
common::Result<void> serve_udp(const Plan& plan);
common::Result<void> send_udp(const Plan& plan);

// Sends one ICMP (to an IPv4 address) or ICMPv6 message. `message` begins with the type; its checksum is filled in.
common::Result<void> send_icmp(const common::Ip& to, std::span<const std::byte> message);

}  // namespace lab
