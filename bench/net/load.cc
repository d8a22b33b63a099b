#include "bench/net/load.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "bench/net/sockets.h"

namespace krait::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPayloadBytes = 22;  // with 14 bytes of Ethernet, 20 of IPv4 and 8 of UDP: 64
constexpr unsigned kBatch = 32;            // packets a system call
constexpr std::size_t kWriteBytes = 128 * 1024;
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr double kTcpWarmUpS = 0.1;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double thread_cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// As many messages as a call takes, all in the same buffer: nobody reads the contents.
class Batch {
 public:
  Batch() {
    for (mmsghdr& message : messages_) {
      message.msg_hdr.msg_iov = &part_;
      message.msg_hdr.msg_iovlen = 1;
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  mmsghdr* messages() { return messages_.data(); }

 private:
  std::array<char, kPayloadBytes> payload_{};
  iovec part_{.iov_base = payload_.data(), .iov_len = payload_.size()};
  std::array<mmsghdr, kBatch> messages_{};
};

// Reads until the sender has ended and nothing is left.
std::uint64_t receive_udp(const common::Fd& socket, const std::atomic<bool>& sender_ended) {
  Batch batch;
  const timeval poll_interval{.tv_sec = 0, .tv_usec = 20'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &poll_interval, sizeof(poll_interval));
  std::uint64_t packets = 0;
  while (true) {
    const bool last = sender_ended.load();
    const int got = ::recvmmsg(socket.get(), batch.messages(), kBatch, MSG_WAITFORONE, nullptr);
    if (got > 0) {
      packets += static_cast<std::uint64_t>(got);
    } else if (last) {
      return packets;
    }
  }
}

struct Sent {
  double seconds = 0;
  double cpu_s = 0;
};

Sent send_udp(const common::Fd& socket, double seconds) {
  Batch batch;
  const double cpu = thread_cpu_s();
  const auto start = Clock::now();
  while (seconds_since(start) < seconds) {
    ::sendmmsg(socket.get(), batch.messages(), kBatch, 0);
  }
  return {.seconds = seconds_since(start), .cpu_s = thread_cpu_s() - cpu};
}

void send_tcp(const common::Fd& socket) {
  const std::vector<char> bytes(kWriteBytes);
  while (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
  }
}

void receive_tcp(const common::Fd& socket, std::atomic<std::uint64_t>& total) {
  std::vector<char> bytes(kReadBytes);
  ssize_t got = 0;
  while ((got = ::recv(socket.get(), bytes.data(), bytes.size(), 0)) > 0) {
    total.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
  }
}

}  // namespace

common::Result<UdpRate> measure_udp(const Arena& arena, double seconds) {
  auto ends = udp_ends(arena, Way::to_guarded);
  if (!ends) {
    return std::move(ends.error());
  }
  std::atomic<bool> sender_ended = false;
  std::uint64_t received = 0;
  Sent sent;
  std::thread receiver([&] {
    run_on_cpu(1);
    received = receive_udp(ends->receiver, sender_ended);
  });
  std::thread sender([&] {
    run_on_cpu(0);
    sent = send_udp(ends->sender, seconds);
  });
  sender.join();
  sender_ended = true;
  receiver.join();
  const auto packets = static_cast<double>(received + overflowed(ends->receiver));
  if (packets == 0) {
    return common::Error(common::ErrorCode::system, "no UDP packet came through");
  }
  return UdpRate{.packets_per_s = packets / sent.seconds, .cpu_ns_a_packet = sent.cpu_s / packets * 1e9};
}

common::Result<double> measure_tcp(const Arena& arena, double seconds) {
  auto ends = tcp_ends(arena, Way::to_guarded);
  if (!ends) {
    return std::move(ends.error());
  }
  std::atomic<std::uint64_t> bytes = 0;
  std::thread receiver([&] {
    run_on_cpu(1);
    receive_tcp(ends->receiver, bytes);
  });
  std::thread sender([&] {
    run_on_cpu(0);
    send_tcp(ends->sender);
  });
  std::this_thread::sleep_for(std::chrono::duration<double>(kTcpWarmUpS));
  const std::uint64_t before = bytes.load();
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const std::uint64_t after = bytes.load();
  const double elapsed = seconds_since(start);
  ::shutdown(ends->sender.get(), SHUT_RDWR);
  ::shutdown(ends->receiver.get(), SHUT_RDWR);
  sender.join();
  receiver.join();
  return static_cast<double>(after - before) * 8 / elapsed / 1e9;
}

}  // namespace krait::bench
