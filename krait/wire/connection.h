// A connection that carries frames: four bytes of length in network order, then so many bytes. Over TLS, or plain over
// a Unix socket. Never blocks, bounded in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"
#include "krait/wire/key_pair.h"
#include "krait/wire/openssl.h"
#include "krait/wire/tls.h"

namespace krait::wire {

// Whom a connection tells. Each call may destroy the connection.
class ConnectionUser {
 public:
  virtual ~ConnectionUser() = default;
  virtual void on_open() = 0;  // hands were shaken: peer() is known
  virtual void on_frame(std::string_view bytes) = 0;
  virtual void on_drained() {}                         // everything that was to be sent has left
  virtual void on_closed(const std::string& why) = 0;  // by the other end, or for what it did; last
};

// One frame as it goes over the wire, its length before it; any number of connections may have it to send.
using Frame = std::shared_ptr<const std::string>;
Frame make_frame(std::string_view bytes);

struct FrameLimits {
  std::size_t incoming_bytes = 0;  // of a frame
  std::size_t queued_bytes = 0;    // that wait to be sent; who lets more pile up is cut off
};

// Single-threaded, inside a Loop that outlives it. The destructor closes.
class Connection {
 public:
  // Takes a socket that is connected, or connecting, and does not block. `tls`: nullptr for a plain one.
  static common::Result<std::unique_ptr<Connection>> start(common::Loop& loop, common::Fd fd, Tls* tls,
                                                           const FrameLimits& limits);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Before the loop goes on, and whenever the connection gets another master.
  void set_user(ConnectionUser& user) { user_ = &user; }
  void set_limits(const FrameLimits& limits) { limits_ = limits; }

  // Queues one frame. Once the queue is longer than it may be, the connection is closed as soon as the loop goes on.
  void send(Frame frame);
  void send(std::string_view bytes) { send(make_frame(bytes)); }
  // Closes once everything that was queued has left, or the other end has gone.
  void finish();

  [[nodiscard]] bool idle() const { return left_ == queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_; }
  [[nodiscard]] const KeyHash& peer() const { return peer_; }  // zero before on_open, and of a plain connection
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  enum class Phase : std::uint8_t { connecting, shaking_hands, open, over };

  Connection(common::Loop& loop, common::Fd fd, const FrameLimits& limits);
  void handle(std::uint32_t events);
  bool go_on(std::uint32_t events);
  bool connect();
  bool shake_hands();
  bool read_some();
  bool take_frames();
  bool write_some();
  void drop_first();
  bool fail_unread();
  bool settle();
  void close(const std::string& why);
  // Bytes moved; 0: none now; nothing: it is over, for the reason in failure_.
  bool receive(char* into, std::size_t room, std::size_t& got);
  bool transmit(std::string_view bytes, std::size_t& put);
  bool fail(std::string why);
  bool fail_tls(int result, const char* what);

  common::Loop& loop_;
  common::Fd fd_;
  Owned<ssl_st> ssl_;
  FrameLimits limits_;
  ConnectionUser* user_ = nullptr;
  std::shared_ptr<bool> alive_;
  common::Loop::Token token_ = 0;
  std::uint32_t watched_ = 0;
  Phase phase_ = Phase::connecting;
  bool wants_write_ = false;  // TLS has something of its own to send
  bool more_ = false;         // what has arrived was not read to its end
  bool finishing_ = false;
  std::string input_;
  std::vector<Frame> queue_;
  std::size_t left_ = 0;  // of the queue's: how many have left already
  std::size_t queued_ = 0;
  std::size_t written_ = 0;  // of the first
  KeyHash peer_{};
  std::string failure_;
};

// How long a connection on which nothing moves stays: TCP's own probes find the other end gone within this time, and
// what was sent and not confirmed ends it. The kernel does it all; nobody wakes up.
inline constexpr int kKeepaliveSeconds = 300;
inline constexpr int kUnconfirmedMs = 60'000;
// Best effort.
void keep_alive(int fd);

}  // namespace krait::wire
