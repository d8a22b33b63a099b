// One netlink conversation at a time: build a message, send it, read the kernel's answer. Wraps libmnl; no type of
// libmnl or of the kernel's headers shows here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/ip.h"
#include "common/result.h"

struct mnl_socket;
struct nlmsghdr;

namespace krait::wireguard {

// Enough for every request that names one thing (a link, an address, a route).
inline constexpr std::size_t kSmallMessageBytes = 512;
// Enough for hundreds of peers, and below the 65,535 bytes that one nested attribute can hold.
inline constexpr std::size_t kLargeMessageBytes = 32768;

// A request being built. Owns its memory and wipes it, for it may carry a key. What does not fit sets overflown(), and
// Socket refuses the message. Move-only.
class Message {
 public:
  // `flags` without NLM_F_REQUEST, which is always set.
  Message(std::uint16_t type, std::uint16_t flags, std::size_t capacity_bytes = kSmallMessageBytes);
  Message(Message&&) noexcept = default;
  Message& operator=(Message&&) = delete;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message();

  // Appends the fixed header of the message's type. Before any attribute.
  template <typename Header>
  void put_header(const Header& header) {
    put_header_bytes({reinterpret_cast<const std::byte*>(&header), sizeof header});
  }
  void put(std::uint16_t type, std::span<const std::byte> payload);
  template <typename Value>
    requires std::is_integral_v<Value>
  void put_number(std::uint16_t type, Value value) {
    put(type, {reinterpret_cast<const std::byte*>(&value), sizeof value});
  }
  void put_text(std::uint16_t type, std::string_view text);  // with the closing zero
  void put_ip(std::uint16_t type, const common::Ip& ip);     // 4 or 16 bytes
  [[nodiscard]] std::size_t begin_nest(std::uint16_t type);  // gives the nest to end
  void end_nest(std::size_t nest);

  [[nodiscard]] bool overflown() const { return overflown_; }
  [[nodiscard]] std::size_t room_bytes() const;
  [[nodiscard]] nlmsghdr& header();
  [[nodiscard]] const nlmsghdr& header() const;

 private:
  void put_header_bytes(std::span<const std::byte> bytes);
  [[nodiscard]] bool reserve(std::size_t payload_bytes);

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_bytes_;
  bool overflown_ = false;
};

using MessageHandler = std::function<common::Result<void>(const nlmsghdr&)>;

// Many requests of one kind, each to be done for itself. The functions are called with a request's number.
struct Requests {
  std::size_t count = 0;
  std::function<Message(std::size_t)> build;
  // Called for every message of an answer; left out where there is only an acknowledgement.
  std::function<void(std::size_t, const nlmsghdr&)> answered = [](std::size_t, const nlmsghdr&) {};
  // With the kernel's errno and words. What it gives back ends the requests, or does not.
  std::function<common::Result<void>(std::size_t, common::Error)> refused;
};

// A netlink socket in the caller's network namespace. Not thread-safe. Move-only.
class Socket {
 public:
  // `protocol` is NETLINK_ROUTE or NETLINK_GENERIC.
  static common::Result<Socket> open(int protocol);

  // Sends the request and gives every message of the answer to `handler` until the kernel's acknowledgement. A refusal
  // comes back with its errno and the kernel's own words. Blocks until the kernel has answered.
  common::Result<void> request(Message& message, const MessageHandler& handler);
  common::Result<void> request(Message& message);  // where the answer is only an acknowledgement

  // Sends as many requests in one datagram as the kernel's answers surely find room in the socket. The first error of
  // `refused` ends it and comes back; the requests of the same datagram are done all the same.
  common::Result<void> request_each(const Requests& requests);

  // A dump. When the kernel says that what it lists changed meanwhile, calls `restart` (which forgets what came) and
  // asks again; gives up after kDumpTries.
  common::Result<void> dump(Message& message, const std::function<void()>& restart, const MessageHandler& handler);

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const;
  };
  explicit Socket(std::unique_ptr<mnl_socket, Closer> socket);
  common::Result<void> exchange(Message& message, const MessageHandler& handler, bool& interrupted);
  common::Result<void> request_some(const Requests& requests, std::size_t first, std::size_t end);
  // Reads datagrams and gives those of our messages that answer the last ones sent, until `handler` has seen the last.
  template <typename Handler>
  common::Result<void> receive(const Handler& handler);

  std::unique_ptr<mnl_socket, Closer> socket_;
  std::unique_ptr<std::byte[]> received_;
  std::uint32_t sequence_ = 0;
};

// What an NLMSG_ERROR or NLMSG_DONE says: errno (0: done) and the extended acknowledgement's text. Empty when the
// message is too short.
struct Acknowledgement {
  int sys_errno = 0;
  std::string text;
};
std::optional<Acknowledgement> parse_acknowledgement(const nlmsghdr& message);

}  // namespace krait::wireguard
