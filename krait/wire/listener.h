// Takes connections in and has them shake hands; only those that have are passed on.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "common/result.h"
#include "krait/wire/connection.h"

namespace krait::wire {

struct ListenerLimits {
  FrameLimits frames;
  std::size_t shaking_hands = 1024;  // at a time; a further one takes the place of the oldest
  std::uint32_t handshake_ms = 10'000;
};

// How long a listener without descriptors to spare waits before it tries again.
inline constexpr std::uint32_t kRetryMs = 200;

// Single-threaded, inside a Loop that outlives it. Wakes up by itself only while somebody shakes hands or nobody can be
// accepted.
class Listener {
 public:
  using Acceptor = std::function<void(std::unique_ptr<Connection> connection)>;

  // `tls`: nullptr for plain connections, of a Unix socket. It and the loop outlive the listener. The acceptor's
  // connections have no user yet; on_open was passed already.
  static common::Result<std::unique_ptr<Listener>> start(common::Loop& loop, common::Fd listener, Tls* tls,
                                                         const ListenerLimits& limits, Acceptor acceptor);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::size_t shaking_hands() const { return guests_.size(); }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }  // for what they did, or did not do in time

 private:
  // One that shakes hands.
  struct Guest final : ConnectionUser {
    explicit Guest(Listener& owner) : listener(owner) {}
    void on_open() override { listener.admit(*this); }
    void on_frame(std::string_view /*bytes*/) override {}
    void on_closed(const std::string& /*why*/) override { listener.drop(*this); }

    Listener& listener;
    std::unique_ptr<Connection> connection;
    std::list<Guest>::iterator self;
    std::uint32_t age = 0;  // ticks of the timer
  };

  Listener(common::Loop& loop, common::Fd fd, Tls* tls, const ListenerLimits& limits, Acceptor acceptor);
  common::Result<void> watch();
  void accept_some();
  void pause();
  void receive(common::Fd fd);
  void admit(Guest& guest);
  void drop(Guest& guest);
  void tick();

  common::Loop& loop_;
  common::Fd fd_;
  Tls* tls_;
  ListenerLimits limits_;
  Acceptor acceptor_;
  common::Loop::Token token_ = 0;
  common::Timer timer_;  // ages those who shake hands
  common::Timer retry_;
  std::list<Guest> guests_;  // the oldest first
  std::uint64_t refused_ = 0;
};

}  // namespace krait::wire
