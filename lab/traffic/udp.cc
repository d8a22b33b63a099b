#include <netinet/udp.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "lab/traffic/socket.h"
#include "lab/traffic/state.h"
#include "lab/traffic/traffic.h"

namespace lab {
namespace {

static_assert(kFewestRecordBytes == sizeof(RecordHeader));

constexpr std::size_t kMaxDatagramBytes = 65'507;  // of IPv4 (RFC 768, RFC 791)

// Takes what waits, one datagram or several that GRO joined; false: nothing waits.
bool take_records(int fd, const Plan& plan, const State& state, SocketAddress* from) {
  std::array<std::byte, std::size_t{64} * 1024> buffer;
  const Received got = receive(fd, buffer, from);
  if (got.bytes < 0) {
    // An ICMP error ends nothing: the next record may pass.
    if (errno != EAGAIN && errno != EINTR) {
      state.counts().error = static_cast<std::uint32_t>(errno);
    }
    return false;
  }
  const auto bytes = static_cast<std::size_t>(got.bytes);
  const std::size_t segment_bytes = got.segment_bytes == 0 ? bytes : got.segment_bytes;
  for (std::size_t at = 0; segment_bytes == plan.record_bytes && at + segment_bytes <= bytes; at += segment_bytes) {
    RecordHeader header;
    std::memcpy(&header, buffer.data() + at, sizeof header);
    if (header.magic == RecordHeader{}.magic) {
      state.count_received(header.sequence, got.time_ns);
    }
  }
  state.announce();
  return true;
}

// Counts what the kernel took; what it refused (no route, a drop on egress) keeps its sequence numbers.
void send_records(int fd, const Plan& plan, const State& state, const SocketAddress& to) {
  std::vector<std::byte> records(plan.record_bytes * plan.segments);
  for (std::uint64_t i = 0; i < plan.segments; ++i) {
    const RecordHeader header{.sequence = state.counts().sent + i};
    std::memcpy(records.data() + i * plan.record_bytes, &header, sizeof header);
  }
  if (::sendto(fd, records.data(), records.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to.storage),
               to.length) >= 0) {
    for (std::uint64_t i = 0; i < plan.segments; ++i) {
      state.count_sent();
    }
  }
}

common::Result<common::Fd> open_udp(const Plan& plan, bool listen) {
  auto fd = open_socket(plan.endpoint, SOCK_DGRAM);
  if (!fd) {
    return fd;
  }
  const int buffer_bytes = 1 << 20;
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
  const int on = 1;
  const auto segment_bytes = static_cast<int>(plan.segments > 1 ? plan.record_bytes : 0);
  if (::setsockopt(fd->get(), SOL_UDP, UDP_GRO, &on, sizeof on) != 0 ||
      ::setsockopt(fd->get(), SOL_UDP, UDP_SEGMENT, &segment_bytes, sizeof segment_bytes) != 0) {
    return common::Error::from_errno(errno, "ask for UDP segmentation");
  }
  const SocketAddress address = to_socket_address(plan.endpoint);
  if (listen && ::bind(fd->get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    return common::Error::from_errno(errno, "bind to " + plan.endpoint.text());
  }
  return fd;
}

// Both ends: records to the peer at a steady rate, once it is known, until told to pause.
common::Result<void> run_udp(const Plan& plan, bool listen) {
  auto state = State::open(plan.state_file);
  auto signals = open_signals();
  auto fd = open_udp(plan, listen);
  if (!state || !signals || !fd) {
    return !state ? std::move(state.error()) : !signals ? std::move(signals.error()) : std::move(fd.error());
  }
  if (plan.record_bytes * plan.segments > kMaxDatagramBytes) {
    return common::Error(common::ErrorCode::invalid_input,
                         "the records of one piece have more than " + std::to_string(kMaxDatagramBytes) + " bytes");
  }
  SocketAddress peer = listen ? SocketAddress{} : to_socket_address(plan.endpoint);
  bool paused = false;
  Pacer pacer(plan.records_per_s);
  state->begin(listen ? Phase::listening : Phase::connected);
  for (;;) {
    const bool sending = !paused && peer.length != 0;
    std::array<pollfd, 2> waits{{{signals->get(), POLLIN, 0}, {fd->get(), POLLIN, 0}}};
    ::poll(waits.data(), waits.size(), sending ? pacer.sleep_ms(monotonic_ns()) : -1);
    if (waits[0].revents != 0) {
      if (next_signal(signals->get()) != Signal::pause) {
        break;
      }
      paused = true;
      state->change(Phase::paused);
      continue;
    }
    SocketAddress from;
    while (take_records(fd->get(), plan, *state, &from)) {
      if (peer.length == 0) {
        pacer.restart(monotonic_ns());
      }
      peer = from;
    }
    for (int turn = 0; sending && turn < kMaxTurns && pacer.due(monotonic_ns()); ++turn) {
      for (std::uint64_t i = 0; i < plan.segments; ++i) {
        pacer.sent();
      }
      send_records(fd->get(), plan, *state, peer);
    }
  }
  state->change(Phase::finished);
  return {};
}

}  // namespace

common::Result<void> serve_udp(const Plan& plan) { return run_udp(plan, true); }
common::Result<void> send_udp(const Plan& plan) { return run_udp(plan, false); }

}  // namespace lab
