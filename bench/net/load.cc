#include "bench/net/load.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

namespace krait::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPayloadBytes = 22;  // with 14 bytes of Ethernet, 20 of IPv4 and 8 of UDP: 64
constexpr unsigned kBatch = 32;            // packets a system call
constexpr std::size_t kWriteBytes = 128 * 1024;
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::chrono::milliseconds kWarmUp{50};
constexpr double kPatienceS = 5;

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

// One datagram there and one back.
common::Result<void> greet(const Ends& ends) {
  const std::array<char, kPayloadBytes> payload{};
  std::array<char, kPayloadBytes> got{};
  sockaddr_in from{};
  socklen_t from_bytes = sizeof(from);
  auto* address = reinterpret_cast<sockaddr*>(&from);
  if (::send(ends.sender.get(), payload.data(), payload.size(), 0) < 0 ||
      ::recvfrom(ends.receiver.get(), got.data(), got.size(), 0, address, &from_bytes) < 0 ||
      ::sendto(ends.receiver.get(), payload.data(), payload.size(), 0, address, from_bytes) < 0 ||
      ::recv(ends.sender.get(), got.data(), got.size(), 0) < 0) {
    return common::Error::from_errno(errno, "send a datagram and have it answered");
  }
  return {};
}

double cpu_s_of(pthread_t thread) {
  clockid_t clock{};
  timespec now{};
  if (::pthread_getcpuclockid(thread, &clock) != 0 || ::clock_gettime(clock, &now) != 0) {
    return 0;
  }
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

struct Load::State {
  Ends ends;
  Protocol protocol = Protocol::udp;
  std::atomic<bool> stopping = false;
  std::atomic<std::uint64_t> offered = 0;
  std::atomic<std::uint64_t> read = 0;
  std::thread sender;
  std::thread receiver;

  void send_udp() {
    Batch batch;
    while (!stopping.load(std::memory_order_relaxed)) {
      const int sent = ::sendmmsg(ends.sender.get(), batch.messages(), kBatch, 0);
      // An error is a packet that this host's own filter refused.
      offered.fetch_add(sent > 0 ? static_cast<std::uint64_t>(sent) : 1, std::memory_order_relaxed);
    }
  }
  void receive_udp() {
    Batch batch;
    while (!stopping.load(std::memory_order_relaxed)) {
      const int got = ::recvmmsg(ends.receiver.get(), batch.messages(), kBatch, MSG_DONTWAIT, nullptr);
      read.fetch_add(got > 0 ? static_cast<std::uint64_t>(got) : 0, std::memory_order_relaxed);
    }
  }
  void send_tcp() {
    const std::vector<char> bytes(kWriteBytes);
    ssize_t sent = 0;
    while (!stopping.load(std::memory_order_relaxed)) {
      sent = ::send(ends.sender.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      offered.fetch_add(sent > 0 ? static_cast<std::uint64_t>(sent) : 0, std::memory_order_relaxed);
    }
  }
  void receive_tcp() {
    std::vector<char> bytes(kReadBytes);
    while (!stopping.load(std::memory_order_relaxed)) {
      const ssize_t got = ::recv(ends.receiver.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      read.fetch_add(got > 0 ? static_cast<std::uint64_t>(got) : 0, std::memory_order_relaxed);
    }
  }
  void run() {
    sender = std::thread([this] {
      run_on_cpu(0);
      protocol == Protocol::udp ? send_udp() : send_tcp();
    });
    receiver = std::thread([this] {
      run_on_cpu(1);
      protocol == Protocol::udp ? receive_udp() : receive_tcp();
    });
  }
  void stop() {
    stopping = true;
    sender.join();
    receiver.join();
  }
};

common::Result<Load> Load::start(const Arena& arena, Protocol protocol, Way way) {
  KRAIT_TRY(auto ends, protocol == Protocol::udp ? udp_ends(arena, way) : tcp_ends(arena, way));
  if (protocol == Protocol::udp) {
    KRAIT_CHECK(greet(ends));
  }
  auto state = std::make_unique<State>();
  state->ends = std::move(ends);
  state->protocol = protocol;
  state->run();
  return Load(std::move(state));
}

Load::Load(std::unique_ptr<State> state) : state_(std::move(state)) {}
Load::Load(Load&&) noexcept = default;
Load& Load::operator=(Load&&) noexcept = default;

Load::~Load() {
  if (state_) {
    state_->stop();
  }
}

std::uint64_t Load::offered() const { return state_->offered; }

std::uint64_t Load::arrived() const {
  return state_->read + (state_->protocol == Protocol::udp ? overflowed(state_->ends.receiver) : 0);
}

double Load::sender_cpu_s() const { return cpu_s_of(state_->sender.native_handle()); }

common::Result<Rate> measure(const Arena& arena, Protocol protocol, double seconds) {
  KRAIT_TRY(auto load, Load::start(arena, protocol, Way::to_guarded));
  std::this_thread::sleep_for(kWarmUp);
  const auto start = Clock::now();
  const std::uint64_t before = load.arrived();
  const double sender_before = load.sender_cpu_s();
  const auto since_start = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  // A TCP that waits for a retransmission may be silent for longer than a round.
  do {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  } while (load.arrived() == before && since_start() < kPatienceS);
  const double elapsed = since_start();
  const auto arrived = static_cast<double>(load.arrived() - before);
  const double sender_s = load.sender_cpu_s() - sender_before;
  if (arrived == 0) {
    return common::Error(common::ErrorCode::system, "nothing came through");
  }
  return Rate{.per_s = arrived / elapsed, .sender_cpu_ns = sender_s / arrived * 1e9};
}

}  // namespace krait::bench
