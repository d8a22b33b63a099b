// One netlink conversation at a time: send a message, read the kernel's answer. Wraps libmnl; no type of libmnl or of
// the kernel's headers shows here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/netlink/message.h"
#include "common/result.h"

struct mnl_socket;
struct nlmsghdr;

namespace netlink {

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

}  // namespace netlink
