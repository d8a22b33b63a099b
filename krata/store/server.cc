#include "krata/store/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace krata::store {

using common::Fd;
using common::Loop;
using common::Result;

namespace {

constexpr std::size_t kReadBytes = 16 << 10;  // of one client in its turn
constexpr int kMaxTogether = 64;              // requests
constexpr int kMaxAccepted = 16;              // in one turn

}  // namespace

Server::Server(Loop& loop, Fd listener, Store& store, ChangeKeeper* keeper, const ServerLimits& limits)
    : loop_(loop),
      listener_(std::move(listener)),
      store_(store),
      keeper_(keeper),
      limits_(limits),
      chunk_(kReadBytes, '\0') {}

Result<std::unique_ptr<Server>> Server::serve(Loop& loop, Fd listener, Store& store, ChangeKeeper* keeper,
                                              const ServerLimits& limits) {
  std::unique_ptr<Server> server(new Server(loop, std::move(listener), store, keeper, limits));
  KRAIT_CHECK(server->watch(), "serve the socket");
  return server;
}

Result<void> Server::watch() {
  // Edge-triggered: what cannot be accepted for want of descriptors must not wake the loop again and again.
  auto token = loop_.add(listener_.get(), EPOLLIN | EPOLLET, [this](std::uint32_t) { accept_some(); });
  if (!token) {
    return token.error();
  }
  listener_token_ = *token;
  return {};
}

Server::~Server() {
  while (!clients_.empty()) {
    close(clients_.begin()->first);
  }
  if (listener_token_ != 0) {
    loop_.remove(listener_token_);
  }
}

void Server::accept_some() {
  for (int accepted = 0; accepted < kMaxAccepted; ++accepted) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      admit(std::move(fd));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
  // Setting the events anew makes epoll tell of those that still wait, after the others' turn.
  std::ignore = loop_.change(listener_token_, EPOLLIN | EPOLLET);
}

void Server::admit(Fd fd) {
  if (clients_.size() >= limits_.clients) {
    return;
  }
  const ConnectionId id = next_++;
  auto token = loop_.add(fd.get(), EPOLLIN, [this, id](std::uint32_t events) { handle(id, events); });
  if (!token) {
    return;  // the client sees its connection closed; there is nobody else to tell
  }
  Client& client = clients_[id];
  client.fd = std::move(fd);
  client.token = *token;
  client.events = EPOLLIN;
  store_.connect(id);
}

void Server::close(ConnectionId id) {
  const auto found = clients_.find(id);
  store_.disconnect(id);
  loop_.remove(found->second.token);
  clients_.erase(found);
  // A place is free for somebody who was found waiting when there were no descriptors.
  std::ignore = loop_.change(listener_token_, EPOLLIN | EPOLLET);
}

bool Server::is_full(const Client& client) const { return client.outbox.waiting().size() > limits_.waiting_bytes; }

void Server::handle(ConnectionId id, std::uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) {
    return;
  }
  Client& client = found->second;
  mark_dirty(id, client);
  if ((events & EPOLLOUT) != 0 && !write_some(client)) {
    client.is_ending = true;
  }
  if (!client.is_ending && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client.has_more && !is_full(client)) {
    client.is_ending = !read_some(client);
  }
  answer_waiting(id, client);
  flush_dirty();
}

// False: the connection has ended.
bool Server::read_some(Client& client) {
  const ssize_t got = ::recv(client.fd.get(), chunk_.data(), chunk_.size(), 0);
  if (got > 0) {
    client.inbox.append(std::string_view(chunk_).substr(0, static_cast<std::size_t>(got)));
    return true;
  }
  return got < 0 && (errno == EAGAIN || errno == EINTR);
}

// Also of a client that has gone meanwhile: what it asked was asked. Some requests at a time, so that their changes are
// kept together.
void Server::answer_waiting(ConnectionId id, Client& client) {
  client.has_more = true;
  while (client.has_more && !is_full(client)) {
    for (int answered = 0; client.has_more && answered < kMaxTogether; ++answered) {
      const auto request = client.inbox.next();
      client.has_more = request.has_value();
      if (request) {
        store_.handle(id, *request, messages_);
      }
    }
    store_.queue(messages_);
    if (!deliver(messages_)) {
      return;
    }
  }
  client.is_ending = client.is_ending || client.inbox.is_broken();
}

// False: the changes behind the messages could not be kept.
bool Server::deliver(Messages& messages) {
  if (keeper_ != nullptr && failure_) {
    if (const Changes changes = store_.take_changes(); !changes.empty()) {
      failure_ = keeper_->keep(changes);
    }
  }
  if (!failure_) {
    messages.clear();
    loop_.stop();
    return false;
  }
  for (const Message& message : messages) {
    if (message.to < kFirstSocket) {
      dirty_rings_.push_back(static_cast<DomainId>(message.to));
      continue;
    }
    const auto to = clients_.find(message.to);
    if (to != clients_.end() && !to->second.is_ending) {
      to->second.outbox.add(message);
      to->second.is_ending = to->second.outbox.waiting_event_bytes() > limits_.waiting_event_bytes;
      mark_dirty(to->first, to->second);
    }
  }
  messages.clear();
  return true;
}

bool Server::send(Messages& messages) {
  const bool is_kept = deliver(messages);
  flush_dirty();
  return is_kept;
}

void Server::mark_dirty(ConnectionId id, Client& client) {
  if (!std::exchange(client.is_dirty, true)) {
    dirty_.push_back(id);
  }
}

void Server::flush_dirty() {
  if (!failure_) {
    return;
  }
  for (const ConnectionId id : std::exchange(dirty_, {})) {
    Client& client = clients_.at(id);
    client.is_dirty = false;
    settle(id, client);
  }
  for (const DomainId domain : std::exchange(dirty_rings_, {})) {
    if (carrier_ != nullptr) {
      carrier_->carry(domain);
    }
  }
}

// False: nobody reads any more.
bool Server::write_some(Client& client) {
  while (!client.outbox.waiting().empty()) {
    const std::string_view bytes = client.outbox.waiting();
    const ssize_t put = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    client.outbox.sent(static_cast<std::size_t>(put));
  }
  return true;
}

// Sends what can be sent, and says what to wait for. A client that reads nothing is read from no more, once much waits.
void Server::settle(ConnectionId id, Client& client) {
  if (!write_some(client) || client.is_ending) {
    close(id);
    return;
  }
  // With requests left over, room to write is a reason to go on.
  const bool has_waiting = !client.outbox.waiting().empty() || client.has_more;
  const std::uint32_t events = (is_full(client) ? 0U : EPOLLIN) | (has_waiting ? EPOLLOUT : 0U);
  if (events != client.events) {
    client.events = events;
    if (!loop_.change(client.token, events)) {
      close(id);
    }
  }
}

}  // namespace krata::store
