#include "common/event/stream_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <tuple>

namespace common {

namespace {

// What a client may still send after the last answer before it is cut off.
constexpr std::size_t kMaxDrainedBytes = std::size_t{64} << 10U;

constexpr int kMaxAccepted = 16;  // in one turn

bool would_block(int why) { return why == EAGAIN || why == EWOULDBLOCK; }

}  // namespace

StreamServer::StreamServer(Loop& loop, Fd listener, Answerer answerer, const Rights& rights, const StreamLimits& limits)
    : loop_(loop), listener_(std::move(listener)), answerer_(std::move(answerer)), rights_(rights), limits_(limits) {}

Result<std::unique_ptr<StreamServer>> StreamServer::serve(Loop& loop, Fd listener, Answerer answerer,
                                                          const Rights& rights, const StreamLimits& limits) {
  std::unique_ptr<StreamServer> server(
      new StreamServer(loop, std::move(listener), std::move(answerer), rights, limits));
  KRAIT_CHECK(server->watch(), "serve a socket");
  return server;
}

Result<void> StreamServer::watch() {
  KRAIT_TRY(auto timer, Timer::create(loop_, [this] { look_for_idle(); }));
  idle_timer_ = std::move(timer);
  // Edge-triggered: what cannot be accepted for want of descriptors must not wake the loop again and again.
  KRAIT_TRY(auto listened, loop_.add(listener_.get(), EPOLLIN | EPOLLET, [this](std::uint32_t) { accept_some(); }));
  listener_token_ = listened;
  return {};
}

StreamServer::~StreamServer() {
  while (!connections_.empty()) {
    close(connections_.begin()->first);
  }
  if (listener_token_ != 0) {
    loop_.remove(listener_token_);
  }
}

template <typename Matches>
std::optional<StreamServer::Id> StreamServer::oldest(Id except, const Matches& matches) const {
  const auto found = std::ranges::find_if(
      connections_, [&](const auto& entry) { return entry.first != except && matches(entry.second); });
  return found == connections_.end() ? std::nullopt : std::optional(found->first);
}

// Whoever connects again and again, as fast as that is done here, must not keep everybody else waiting: after some the
// others' turn comes, and setting the events anew makes epoll tell of the rest.
void StreamServer::accept_some() {
  for (int accepted = 0; accepted < kMaxAccepted; ++accepted) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      admit(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    // Out of descriptors: give one up, or wait for the next caller.
    if ((errno == EMFILE || errno == ENFILE) && !connections_.empty()) {
      close(connections_.begin()->first);
      continue;
    }
    return;
  }
  std::ignore = loop_.change(listener_token_, EPOLLIN | EPOLLET);
}

bool StreamServer::make_room(const Client& client) {
  const auto of_user = [&](const Connection& other) {
    return !other.client.may_change && other.client.user == client.user;
  };
  if (!client.may_change && client.user && std::ranges::count_if(connections_, [&](const auto& entry) {
                                             return of_user(entry.second);
                                           }) >= static_cast<std::ptrdiff_t>(limits_.clients_of_user)) {
    close(*oldest(0, of_user));
  }
  if (connections_.size() < limits_.clients) {
    return true;
  }
  auto victim = oldest(0, [](const Connection& other) { return !other.client.may_change; });
  if (!victim && client.may_change) {
    victim = connections_.begin()->first;
  }
  if (victim) {
    close(*victim);
  }
  return victim.has_value();
}

void StreamServer::admit(Fd fd) {
  const Client client = client_of(fd.get(), rights_);
  if (!make_room(client)) {
    return;
  }
  const Id id = next_++;
  auto token = loop_.add(fd.get(), EPOLLIN, [this, id](std::uint32_t events) { handle(id, events); });
  if (!token) {
    return;  // the client sees its connection closed; there is nobody else to tell
  }
  Connection& connection = connections_[id];
  connection.fd = std::move(fd);
  connection.client = client;
  connection.token = *token;
  connection.moved = true;
  if (connections_.size() == 1) {
    idle_timer_.every(std::chrono::milliseconds(limits_.idle_ms));
  }
}

void StreamServer::close(Id id) {
  const auto found = connections_.find(id);
  loop_.remove(found->second.token);
  connections_.erase(found);
  if (connections_.empty()) {
    idle_timer_.stop();
  }
}

void StreamServer::look_for_idle() {
  while (const auto idle = oldest(0, [](const Connection& connection) { return !connection.moved; })) {
    close(*idle);
  }
  for (auto& [id, connection] : connections_) {
    connection.moved = false;
  }
}

// What clients do not read must not pile up: the oldest unread answers go, the same user's first.
void StreamServer::bound_waiting(Id newest) {
  const Client client = connections_.at(newest).client;
  const auto waits = [](const Connection& other) { return !other.client.may_change && !other.output.empty(); };
  const auto waits_for_same = [&](const Connection& other) { return waits(other) && other.client.user == client.user; };
  for (;;) {
    std::size_t bytes = 0;
    for (const auto& [id, connection] : connections_) {
      bytes += waits(connection) && id != newest ? connection.output.size() : 0;
    }
    if (bytes <= limits_.waiting_bytes) {
      return;
    }
    const auto own = oldest(newest, waits_for_same);
    close(own ? *own : *oldest(newest, waits));
  }
}

void StreamServer::handle(Id id, std::uint32_t events) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {
    return;
  }
  Connection& connection = found->second;
  bool keep = (events & EPOLLERR) == 0;
  if (keep && (events & (EPOLLIN | EPOLLHUP)) != 0) {
    keep = read_input(connection);
  }
  if (keep && (keep = write_output(connection))) {
    answer_one(connection);
    keep = settle(connection);
  }
  if (keep && connection.take_over && connection.output.empty()) {
    hand_over(id);
  } else if (!keep) {
    close(id);
  } else if (!connection.client.may_change && !connection.output.empty()) {
    bound_waiting(id);
  }
}

// Reads no more than one request may hold, so that a client cannot make the program hoard.
bool StreamServer::read_input(Connection& connection) {
  std::array<char, kMaxRequestBytes> chunk;
  for (;;) {
    const bool draining = connection.phase == Phase::draining;
    const std::size_t room =
        draining ? chunk.size() : std::min(chunk.size(), limits_.request_bytes - connection.input.size());
    if (room == 0 || connection.end_of_input) {
      return true;
    }
    const ssize_t got = ::recv(connection.fd.get(), chunk.data(), room, 0);
    if (got < 0) {
      return errno == EINTR || would_block(errno);
    }
    if (got == 0) {
      connection.end_of_input = true;
      return true;
    }
    connection.moved = true;
    if (!draining) {
      connection.input.append(chunk.data(), static_cast<std::size_t>(got));
    } else if ((connection.drained += static_cast<std::size_t>(got)) > kMaxDrainedBytes) {
      return false;
    }
  }
}

// One answer at a time: the next request waits until this one's answer has left, and until the others had their turn.
void StreamServer::answer_one(Connection& connection) {
  if (connection.phase != Phase::open || !connection.output.empty() || connection.take_over) {
    return;
  }
  connection.more = false;
  if (connection.input.empty()) {
    return;
  }
  std::optional<Answer> answer = answerer_(connection.input, connection.client);
  if (!answer) {
    if (connection.input.size() >= limits_.request_bytes) {
      connection.phase = Phase::ending;
    }
    return;
  }
  connection.input.erase(0, answer->consumed);
  connection.output = std::move(answer->bytes);
  connection.more = !connection.input.empty();
  connection.phase = answer->close ? Phase::ending : Phase::open;
  connection.take_over = std::move(answer->take_over);
  if (!write_output(connection)) {
    connection.phase = Phase::ending;
    connection.output.clear();
  }
}

bool StreamServer::write_output(Connection& connection) {
  while (connection.written < connection.output.size()) {
    const ssize_t put = ::send(connection.fd.get(), connection.output.data() + connection.written,
                               connection.output.size() - connection.written, MSG_NOSIGNAL);
    if (put < 0 && errno != EINTR) {
      return would_block(errno);
    }
    connection.written += put > 0 ? static_cast<std::size_t>(put) : 0;
    connection.moved = true;
  }
  connection.output.clear();
  connection.output.shrink_to_fit();
  connection.written = 0;
  return true;
}

void StreamServer::hand_over(Id id) {
  Connection& connection = connections_.at(id);
  Fd fd = std::move(connection.fd);
  const auto take_over = std::move(connection.take_over);
  std::string input = std::move(connection.input);
  close(id);
  take_over(std::move(fd), std::move(input));
}

// Decides what to wait for next. False: the connection is over.
bool StreamServer::settle(Connection& connection) {
  if (connection.take_over && connection.output.empty()) {
    return true;
  }
  if (!connection.output.empty() || (connection.more && connection.phase == Phase::open)) {
    return loop_.change(connection.token, EPOLLOUT).has_value();
  }
  if (connection.end_of_input) {
    return false;
  }
  if (connection.phase == Phase::ending) {
    // Closing with unread input would reset the connection and could destroy the answer on its way.
    ::shutdown(connection.fd.get(), SHUT_WR);
    connection.phase = Phase::draining;
    connection.input.clear();
  }
  return loop_.change(connection.token, EPOLLIN).has_value();
}

}  // namespace common
