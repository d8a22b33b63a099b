#include "krait/wire/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace krait::wire {

using common::Error;
using common::Fd;
using common::Loop;
using common::Result;

namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxReadPerTurn = std::size_t{128} << 10U;  // then the others' turn comes
constexpr std::size_t kMaxWrittenPerTurn = std::size_t{4} << 20U;

std::string length_of(std::size_t size) {
  std::string bytes(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    bytes[i] = static_cast<char>(size >> 8U * (kLengthBytes - 1 - i) & 0xFFU);
  }
  return bytes;
}

std::size_t length_in(std::string_view bytes) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    size = size << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return size;
}

}  // namespace

Connection::Connection(Loop& loop, Fd fd, const FrameLimits& limits)
    : loop_(loop), fd_(std::move(fd)), limits_(limits), alive_(std::make_shared<bool>(true)) {}

Connection::~Connection() {
  *alive_ = false;
  if (token_ != 0) {
    loop_.remove(token_);
  }
}

Result<std::unique_ptr<Connection>> Connection::start(Loop& loop, Fd fd, Tls* tls, const FrameLimits& limits) {
  std::unique_ptr<Connection> made(new Connection(loop, std::move(fd), limits));
  if (tls != nullptr) {
    KRAIT_TRY(made->ssl_, tls->start(made->fd_.get()));
    made->phase_ = tls->side() == Side::server ? Phase::shaking_hands : Phase::connecting;
  }
  // A client is told by EPOLLOUT that it is connected.
  made->watched_ = made->phase_ == Phase::connecting ? EPOLLOUT : EPOLLIN;
  KRAIT_TRY(made->token_, loop.add(made->fd_.get(), made->watched_,
                                   [self = made.get()](std::uint32_t events) { self->handle(events); }));
  return made;
}

Frame make_frame(std::string_view bytes) {
  std::string frame = length_of(bytes.size());
  frame.append(bytes);
  return std::make_shared<const std::string>(std::move(frame));
}

void Connection::send(Frame frame) {
  if (phase_ == Phase::over) {
    return;
  }
  queued_ += frame->size();
  queue_.push_back(std::move(frame));
  // Sent when the loop goes on: whoever calls is never closed under its feet.
  if (phase_ == Phase::open && (watched_ & EPOLLOUT) == 0) {
    watched_ |= EPOLLOUT;
    std::ignore = loop_.change(token_, watched_);
  }
}

void Connection::finish() {
  finishing_ = true;
  if (phase_ == Phase::open && (watched_ & EPOLLOUT) == 0) {
    watched_ |= EPOLLOUT;
    std::ignore = loop_.change(token_, watched_);
  }
}

void Connection::handle(std::uint32_t events) {
  const std::shared_ptr<bool> alive = alive_;
  const bool goes_on = go_on(events);
  if (!*alive) {
    return;
  }
  if (!goes_on || !settle()) {
    close(std::exchange(failure_, {}));  // whoever hears of it may end this connection
  }
}

// False: it is over, or was destroyed.
bool Connection::go_on(std::uint32_t events) {
  const std::shared_ptr<bool> alive = alive_;
  if (phase_ == Phase::connecting && !connect()) {
    return false;
  }
  if (phase_ == Phase::shaking_hands) {
    if (!shake_hands() || !*alive) {
      return false;
    }
    if (phase_ != Phase::open) {
      return true;
    }
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 || more_) {
    if (!read_some()) {
      return false;
    }
  }
  return write_some();
}

bool Connection::connect() {
  int why = 0;
  socklen_t size = sizeof(why);
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &why, &size) != 0 || why != 0) {
    return fail(std::strerror(why));
  }
  phase_ = ssl_ ? Phase::shaking_hands : Phase::open;
  if (phase_ == Phase::open) {
    const std::shared_ptr<bool> alive = alive_;
    user_->on_open();
    return *alive;
  }
  return true;
}

bool Connection::shake_hands() {
  wants_write_ = false;
  ERR_clear_error();
  if (const int result = SSL_do_handshake(ssl_.get()); result != 1) {
    return fail_tls(result, "shake hands");
  }
  const auto peer = peer_hash(*ssl_);
  if (!peer) {
    return fail(peer.error().text());
  }
  peer_ = *peer;
  phase_ = Phase::open;
  const std::shared_ptr<bool> alive = alive_;
  user_->on_open();
  return *alive;
}

bool Connection::receive(char* into, std::size_t room, std::size_t& got) {
  got = 0;
  if (ssl_) {
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into, room, &got);
    return result == 1 || fail_tls(result, "read");
  }
  const ssize_t come = ::recv(fd_.get(), into, room, 0);
  if (come == 0) {
    return fail("the other end has closed the connection");
  }
  if (come < 0) {
    return errno == EAGAIN || errno == EINTR || fail(std::strerror(errno));
  }
  got = static_cast<std::size_t>(come);
  return true;
}

bool Connection::read_some() {
  std::array<char, 16384> chunk;
  more_ = false;
  for (std::size_t all = 0; all < kMaxReadPerTurn;) {
    std::size_t got = 0;
    if (!receive(chunk.data(), chunk.size(), got)) {
      return false;
    }
    if (got == 0) {
      return true;
    }
    all += got;
    input_.append(chunk.data(), got);
    const std::shared_ptr<bool> alive = alive_;
    if (!take_frames()) {
      return false;
    }
    if (!*alive) {
      return false;
    }
  }
  more_ = true;
  return true;
}

// False: too long a frame, or destroyed.
bool Connection::take_frames() {
  const std::shared_ptr<bool> alive = alive_;
  std::size_t at = 0;
  while (!finishing_ && input_.size() - at >= kLengthBytes) {
    const std::string_view rest = std::string_view(input_).substr(at);
    const std::size_t size = length_in(rest);
    if (size > limits_.incoming_bytes) {
      return fail("a message of " + std::to_string(size) + " bytes, which is too long");
    }
    if (rest.size() < kLengthBytes + size) {
      break;
    }
    at += kLengthBytes + size;
    user_->on_frame(rest.substr(kLengthBytes, size));
    if (!*alive) {
      return false;
    }
    if (queued_ > limits_.queued_bytes) {
      return fail_unread();  // before it has asked for more
    }
  }
  if (finishing_ || at == input_.size()) {
    input_.clear();
    input_.shrink_to_fit();  // most are silent for hours: no room is kept for what they may say
  } else {
    input_.erase(0, at);
  }
  return true;
}

bool Connection::transmit(std::string_view bytes, std::size_t& put) {
  put = 0;
  if (ssl_) {
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
    return result == 1 || fail_tls(result, "write");
  }
  const ssize_t gone = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (gone < 0) {
    return errno == EAGAIN || errno == EINTR || fail(std::strerror(errno));
  }
  put = static_cast<std::size_t>(gone);
  return true;
}

bool Connection::write_some() {
  if (queued_ > limits_.queued_bytes) {
    return fail_unread();
  }
  const bool had_some = !idle();
  for (std::size_t all = 0; !idle();) {
    std::size_t put = 0;
    if (!transmit(std::string_view(*queue_[left_]).substr(written_), put)) {
      return false;
    }
    if (put == 0) {
      return true;
    }
    written_ += put;
    if (written_ == queue_[left_]->size()) {
      drop_first();
    }
    all += put;
    if (all >= kMaxWrittenPerTurn) {
      return true;
    }
  }
  if (finishing_) {
    return fail("");
  }
  if (had_some) {
    const std::shared_ptr<bool> alive = alive_;
    left_ = 0;
    std::vector<Frame>().swap(queue_);  // most are silent for hours
    user_->on_drained();
    return *alive;
  }
  return true;
}

// The room of those that have left is given back now and then: thousands of short ones would be moved up for each.
void Connection::drop_first() {
  queued_ -= written_;
  written_ = 0;
  queue_[left_].reset();
  ++left_;
  if (left_ > queue_.size() / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(left_));
    left_ = 0;
  }
}

bool Connection::fail_unread() { return fail("it does not read what it is sent"); }

// Decides what to wait for next.
bool Connection::settle() {
  const bool write = wants_write_ || more_ || (phase_ == Phase::open && (!idle() || finishing_));
  const std::uint32_t wanted = EPOLLIN | (write ? EPOLLOUT : 0U);
  if (wanted == watched_) {
    return true;
  }
  watched_ = wanted;
  if (const auto changed = loop_.change(token_, wanted); !changed) {
    return fail(changed.error().text());
  }
  return true;
}

bool Connection::fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

bool Connection::fail_tls(int result, const char* what) {
  const int system = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return true;
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      return true;
    case SSL_ERROR_ZERO_RETURN:
      return fail("the other end has closed the connection");
    case SSL_ERROR_SYSCALL:
      return fail(system == 0 ? "the other end has gone" : std::strerror(system));
    default:
      return fail(openssl_error(what).text());
  }
}

void Connection::close(const std::string& why) {
  if (phase_ == Phase::over) {
    return;
  }
  if (ssl_ && phase_ == Phase::open) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // says goodbye, as far as there is room for it
    ERR_clear_error();
  }
  phase_ = Phase::over;
  loop_.remove(std::exchange(token_, 0));
  user_->on_closed(why);
}

void keep_alive(int fd) {
  const int on = 1;
  const int probes = 3;
  const int between_s = 20;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveSeconds, sizeof(kKeepaliveSeconds));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnconfirmedMs, sizeof(kUnconfirmedMs));
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace krait::wire
