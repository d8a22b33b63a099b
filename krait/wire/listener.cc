#include "krait/wire/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <tuple>
#include <utility>

namespace krait::wire {

using common::Fd;
using common::Loop;
using common::Result;
using common::Timer;

namespace {

constexpr int kMaxAccepted = 32;  // in one turn

}  // namespace

Listener::Listener(Loop& loop, Fd fd, Tls* tls, const ListenerLimits& limits, Acceptor acceptor)
    : loop_(loop), fd_(std::move(fd)), tls_(tls), limits_(limits), acceptor_(std::move(acceptor)) {}

Listener::~Listener() {
  if (token_ != 0) {
    loop_.remove(token_);
  }
}

Result<std::unique_ptr<Listener>> Listener::start(Loop& loop, Fd listener, Tls* tls, const ListenerLimits& limits,
                                                  Acceptor acceptor) {
  std::unique_ptr<Listener> made(new Listener(loop, std::move(listener), tls, limits, std::move(acceptor)));
  KRAIT_CHECK(made->watch(), "listen for connections");
  return made;
}

Result<void> Listener::watch() {
  KRAIT_TRY(timer_, Timer::create(loop_, [this] { tick(); }));
  KRAIT_TRY(retry_, Timer::create(loop_, [this] { std::ignore = loop_.change(token_, EPOLLIN); }));
  KRAIT_TRY(token_, loop_.add(fd_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); }));
  return {};
}

void Listener::accept_some() {
  for (int accepted = 0; accepted < kMaxAccepted; ++accepted) {
    Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      receive(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    if (errno != EAGAIN) {
      pause();
    }
    return;
  }
}

// Out of descriptors or memory: who waits would wake the loop again and again.
void Listener::pause() {
  std::ignore = loop_.change(token_, 0);
  retry_.after(std::chrono::milliseconds(kRetryMs));
}

void Listener::receive(Fd fd) {
  if (tls_ != nullptr) {
    keep_alive(fd.get());
  }
  auto connection = Connection::start(loop_, std::move(fd), tls_, limits_.frames);
  if (!connection) {
    return;
  }
  if (guests_.size() >= limits_.shaking_hands) {
    drop(guests_.front());
  }
  if (guests_.empty()) {
    timer_.every(std::chrono::milliseconds(limits_.handshake_ms / 2));
  }
  Guest& guest = guests_.emplace_back(*this);
  guest.self = std::prev(guests_.end());
  guest.connection = std::move(*connection);
  guest.connection->set_user(guest);
}

void Listener::admit(Guest& guest) {
  std::unique_ptr<Connection> connection = std::move(guest.connection);
  guests_.erase(guest.self);
  if (guests_.empty()) {
    timer_.stop();
  }
  acceptor_(std::move(connection));
}

void Listener::drop(Guest& guest) {
  ++refused_;
  guests_.erase(guest.self);
  if (guests_.empty()) {
    timer_.stop();
  }
}

void Listener::tick() {
  while (!guests_.empty() && guests_.front().age >= 2) {
    drop(guests_.front());
  }
  for (Guest& guest : guests_) {
    ++guest.age;
  }
}

}  // namespace krait::wire
