#include "krait/agent/stream_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace krait::agent {

using common::Fd;
using common::Result;

namespace {

// What a client may still send after the last answer before it is cut off.
constexpr std::size_t kMostDrainedBytes = std::size_t{64} << 10U;

bool would_block(int why) { return why == EAGAIN || why == EWOULDBLOCK; }

Client client_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  int domain = 0;
  socklen_t domain_size = sizeof(domain);
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) != 0 || domain != AF_UNIX ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return {};
  }
  return {.root = credentials.uid == 0};
}

}  // namespace

StreamServer::StreamServer(Loop& loop, Fd listener, Answerer answerer, std::size_t most_clients)
    : loop_(loop), listener_(std::move(listener)), answerer_(std::move(answerer)), most_clients_(most_clients) {}

Result<std::unique_ptr<StreamServer>> StreamServer::serve(Loop& loop, Fd listener, Answerer answerer,
                                                          std::size_t most_clients) {
  std::unique_ptr<StreamServer> server(new StreamServer(loop, std::move(listener), std::move(answerer), most_clients));
  StreamServer* self = server.get();
  auto token = loop.add(self->listener_.get(), EPOLLIN, [self](std::uint32_t) { self->accept_all(); });
  if (!token) {
    return common::passed_on(token, "serve a socket");
  }
  self->listener_token_ = *token;
  return server;
}

StreamServer::~StreamServer() {
  while (!connections_.empty()) {
    close(connections_.begin()->first);
  }
  if (listener_token_ != 0) {
    loop_.remove(listener_token_);
  }
}

void StreamServer::accept_all() {
  for (;;) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      admit(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    // Out of descriptors the listener would stay readable for ever: give one up, or wait for the next event.
    if ((errno == EMFILE || errno == ENFILE) && !connections_.empty()) {
      close(connections_.begin()->first);
      continue;
    }
    return;
  }
}

bool StreamServer::make_room(const Client& client) {
  if (connections_.size() < most_clients_) {
    return true;
  }
  auto oldest =
      std::find_if(connections_.begin(), connections_.end(), [](const auto& c) { return !c.second.client.root; });
  if (oldest == connections_.end() && client.root) {
    oldest = connections_.begin();
  }
  if (oldest == connections_.end()) {
    return false;
  }
  close(oldest->first);
  return true;
}

void StreamServer::admit(Fd fd) {
  const Client client = client_of(fd.get());
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
}

void StreamServer::close(Id id) {
  const auto found = connections_.find(id);
  loop_.remove(found->second.token);
  connections_.erase(found);
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
    answer_all(connection);
    keep = settle(connection);
  }
  if (!keep) {
    close(id);
  }
}

// Reads no more than one request may hold, so that a client cannot make the agent hoard.
bool StreamServer::read_input(Connection& connection) {
  std::array<char, kMostRequestBytes> chunk;
  for (;;) {
    const bool draining = connection.phase == Phase::draining;
    const std::size_t room = draining ? chunk.size() : kMostRequestBytes - connection.input.size();
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
    if (!draining) {
      connection.input.append(chunk.data(), static_cast<std::size_t>(got));
    } else if ((connection.drained += static_cast<std::size_t>(got)) > kMostDrainedBytes) {
      return false;
    }
  }
}

void StreamServer::answer_all(Connection& connection) {
  // One answer at a time: the next request waits until this one's answer has left.
  while (connection.phase == Phase::open && connection.output.empty() && !connection.input.empty()) {
    std::optional<Answer> answer = answerer_(connection.input, connection.client);
    if (!answer) {
      if (connection.input.size() >= kMostRequestBytes) {
        connection.phase = Phase::ending;
      }
      return;
    }
    connection.input.erase(0, answer->consumed);
    connection.output = std::move(answer->bytes);
    connection.phase = answer->close ? Phase::ending : Phase::open;
    if (!write_output(connection)) {
      connection.phase = Phase::ending;
      connection.output.clear();
    }
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
  }
  connection.output.clear();
  connection.output.shrink_to_fit();
  connection.written = 0;
  return true;
}

// Decides what to wait for next. False: the connection is over.
bool StreamServer::settle(Connection& connection) {
  if (!connection.output.empty()) {
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

}  // namespace krait::agent
