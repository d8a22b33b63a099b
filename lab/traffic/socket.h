// Sockets, records and pacing that TCP and UDP traffic share.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"

namespace lab {

// The front of a record, in host order: both ends run on one machine type.
struct RecordHeader {
  std::uint64_t magic = 0x6b72616974ULL;
  std::uint64_t sequence = 0;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

SocketAddress to_socket_address(const common::Endpoint& endpoint);

// A non-blocking socket of the endpoint's family whose received packets carry the kernel's time stamps.
common::Result<common::Fd> open_socket(const common::Endpoint& endpoint, int type);

struct Received {
  ssize_t bytes = 0;  // -1: see errno
  std::uint64_t time_ns = 0;
  std::size_t segment_bytes = 0;  // of UDP datagrams that the kernel handed over in one piece; 0: it is one datagram
};

// One recvmsg; `from` may be null. For TCP the time is that of the last packet that the bytes came from.
Received receive(int fd, std::span<std::byte> buffer, SocketAddress* from);

// A descriptor that becomes readable at SIGTERM, SIGINT or SIGUSR1, which are blocked from then on.
common::Result<common::Fd> open_signals();
enum class Signal : std::uint8_t { stop, pause };
Signal next_signal(int signals);  // takes one signal that is waiting

// Sends in a row before signals and what has come in are looked after: a pace that cannot be kept is due all the time.
inline constexpr int kMaxTurns = 64;

// Says when records are due at a steady rate.
class Pacer {
 public:
  explicit Pacer(std::uint64_t records_per_s);
  [[nodiscard]] bool due(std::uint64_t now_ns) const { return now_ns >= next_ns_; }
  void sent() { next_ns_ += period_ns_; }
  void restart(std::uint64_t now_ns) { next_ns_ = now_ns; }
  // Milliseconds to sleep until the next record, rounded up.
  [[nodiscard]] int sleep_ms(std::uint64_t now_ns) const;

 private:
  std::uint64_t period_ns_;
  std::uint64_t next_ns_;
};

}  // namespace lab
