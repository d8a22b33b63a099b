#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lab/traffic/socket.h"
#include "lab/traffic/state.h"
#include "lab/traffic/traffic.h"

namespace lab {
namespace {

// One connection. read() and write() never block; false: the connection is over.
class Stream {
 public:
  Stream(common::Fd fd, const State& state) : fd_(std::move(fd)), state_(&state) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool blocked() const { return !out_.empty(); }

  bool read() {
    std::array<std::byte, std::size_t{64} * 1024> buffer;
    for (;;) {
      const Received got = receive(fd_.get(), buffer, nullptr);
      if (got.bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
      }
      if (got.bytes <= 0) {
        return failed(got.bytes == 0 ? 0 : errno);
      }
      in_.insert(in_.end(), buffer.begin(), buffer.begin() + got.bytes);
      take_records(got.time_ns);
    }
  }

  // Puts one more record on the way, or what is left of the last one.
  bool write() {
    if (out_.empty()) {
      out_.resize(kRecordBytes);
      const RecordHeader header{.sequence = next_++};
      std::memcpy(out_.data(), &header, sizeof header);
      state_->count_sent();
    }
    const ssize_t written = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (written < 0) {
      return errno == EAGAIN || errno == EINTR || failed(errno);
    }
    out_.erase(out_.begin(), out_.begin() + written);
    return true;
  }

 private:
  bool failed(int error) {
    state_->counts().error = static_cast<std::uint32_t>(error);
    state_->change(Phase::closed);
    return false;
  }

  void take_records(std::uint64_t time_ns) {
    std::size_t at = 0;
    for (; in_.size() - at >= kRecordBytes; at += kRecordBytes) {
      RecordHeader header;
      std::memcpy(&header, in_.data() + at, sizeof header);
      state_->count_received(header.magic == RecordHeader{}.magic ? header.sequence : ~std::uint64_t{1}, time_ns);
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
    state_->announce();
  }

  common::Fd fd_;
  const State* state_;
  std::vector<std::byte> in_;
  std::vector<std::byte> out_;
  std::uint64_t next_ = 0;
};

// One turn of a connected stream; false: it is over.
bool serve_stream(Stream& stream, Pacer& pacer, short events) {
  if ((events & (POLLIN | POLLERR | POLLHUP)) != 0 && !stream.read()) {
    return false;
  }
  if (stream.blocked() && (events & POLLOUT) != 0 && !stream.write()) {
    return false;
  }
  for (int turn = 0; turn < kMaxTurns && !stream.blocked() && pacer.due(monotonic_ns()); ++turn) {
    pacer.sent();
    if (!stream.write()) {
      return false;
    }
  }
  return true;
}

short wanted(const Stream& stream) { return static_cast<short>(stream.blocked() ? POLLIN | POLLOUT : POLLIN); }

}  // namespace

common::Result<void> serve_tcp(const Plan& plan) {
  auto state = State::open(plan.state_file);
  auto stop = open_signals();
  auto listener = open_socket(plan.endpoint, SOCK_STREAM);
  if (!state || !stop || !listener) {
    return !state ? std::move(state.error()) : !stop ? std::move(stop.error()) : std::move(listener.error());
  }
  const SocketAddress address = to_socket_address(plan.endpoint);
  if (::bind(listener->get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
      ::listen(listener->get(), 8) != 0) {
    return common::Error::from_errno(errno, "listen on " + plan.endpoint.text());
  }
  state->begin(Phase::listening);
  Pacer pacer(plan.records_per_s);
  std::vector<Stream> stream;  // none or one
  for (;;) {
    const bool open = !stream.empty();
    std::array<pollfd, 3> waits{{{stop->get(), POLLIN, 0},
                                 {listener->get(), POLLIN, 0},
                                 {open ? stream[0].fd() : -1, open ? wanted(stream[0]) : short{0}, 0}}};
    ::poll(waits.data(), waits.size(), open && !stream[0].blocked() ? pacer.sleep_ms(monotonic_ns()) : -1);
    if (waits[0].revents != 0 && next_signal(stop->get()) == Signal::stop) {
      break;
    }
    if (waits[1].revents != 0) {
      common::Fd fd(::accept4(listener->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd.valid()) {
        stream.clear();
        stream.emplace_back(std::move(fd), *state);
        pacer.restart(monotonic_ns());
        state->connected();
        continue;
      }
    }
    if (open && !serve_stream(stream[0], pacer, waits[2].revents)) {
      stream.clear();
    }
  }
  state->change(Phase::finished);
  return {};
}

common::Result<void> send_tcp(const Plan& plan) {
  auto state = State::open(plan.state_file);
  auto stop = open_signals();
  auto fd = open_socket(plan.endpoint, SOCK_STREAM);
  if (!state || !stop || !fd) {
    return !state ? std::move(state.error()) : !stop ? std::move(stop.error()) : std::move(fd.error());
  }
  state->begin(Phase::connecting);
  const SocketAddress address = to_socket_address(plan.endpoint);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 &&
      errno != EINPROGRESS) {
    return common::Error::from_errno(errno, "connect to " + plan.endpoint.text());
  }
  Pacer pacer(plan.records_per_s);
  Stream stream(std::move(*fd), *state);
  bool connected = false;
  bool open = true;
  for (;;) {
    std::array<pollfd, 2> waits{
        {{stop->get(), POLLIN, 0},
         {open ? stream.fd() : -1, connected ? wanted(stream) : static_cast<short>(POLLOUT), 0}}};
    ::poll(waits.data(), waits.size(), open && connected && !stream.blocked() ? pacer.sleep_ms(monotonic_ns()) : -1);
    if (waits[0].revents != 0 && next_signal(stop->get()) == Signal::stop) {
      break;
    }
    if (!connected && (waits[1].revents & POLLOUT) != 0 && (waits[1].revents & POLLERR) == 0) {
      connected = true;
      pacer.restart(monotonic_ns());
      state->connected();
    }
    if (open && (connected || (waits[1].revents & POLLERR) != 0)) {
      open = serve_stream(stream, pacer, waits[1].revents);
    }
  }
  state->change(Phase::finished);
  return {};
}

}  // namespace lab
