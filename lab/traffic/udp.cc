#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "lab/traffic/socket.h"
#include "lab/traffic/state.h"
#include "lab/traffic/traffic.h"

namespace lab {
namespace {

using Record = std::array<std::byte, kRecordBytes>;

Record make_record(std::uint64_t sequence) {
  Record record{};
  const RecordHeader header{.sequence = sequence};
  std::memcpy(record.data(), &header, sizeof header);
  return record;
}

// Takes one record when there is one; false: none is waiting.
bool take_record(int fd, const State& state, SocketAddress* from) {
  Record record;
  const Received got = receive(fd, record, from);
  if (got.bytes < 0) {
    // An ICMP error ends nothing: the next record may pass.
    if (errno != EAGAIN && errno != EINTR) {
      state.counts().error = static_cast<std::uint32_t>(errno);
    }
    return false;
  }
  RecordHeader header;
  std::memcpy(&header, record.data(), sizeof header);
  if (static_cast<std::size_t>(got.bytes) == kRecordBytes && header.magic == RecordHeader{}.magic) {
    state.count_received(header.sequence, got.time_ns);
    state.announce();
  }
  return true;
}

// Counts what the kernel took; what it refused (no route, a drop on egress) keeps its sequence number.
void send_record(int fd, const State& state, const SocketAddress& to) {
  const Record record = make_record(state.counts().sent);
  if (::sendto(fd, record.data(), record.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to.storage),
               to.length) >= 0) {
    state.count_sent();
  }
}

common::Result<common::Fd> open_udp(const Plan& plan, bool listen) {
  auto fd = open_socket(plan.endpoint, SOCK_DGRAM);
  if (!fd) {
    return fd;
  }
  const int buffer_bytes = 1 << 20;
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
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
    while (take_record(fd->get(), *state, &from)) {
      if (peer.length == 0) {
        pacer.restart(monotonic_ns());
      }
      peer = from;
    }
    while (sending && pacer.due(monotonic_ns())) {
      pacer.sent();
      send_record(fd->get(), *state, peer);
    }
  }
  state->change(Phase::finished);
  return {};
}

}  // namespace

common::Result<void> serve_udp(const Plan& plan) { return run_udp(plan, true); }
common::Result<void> send_udp(const Plan& plan) { return run_udp(plan, false); }

}  // namespace lab
