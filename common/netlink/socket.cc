#include "common/netlink/socket.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "common/netlink/attributes.h"

namespace netlink {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// The kernel makes dump messages as large as the reader's buffer, up to 32 KiB (net/netlink/af_netlink.c).
constexpr std::size_t kReceiveBytes = 65536;
constexpr int kDumpTries = 20;
// An answer takes a page of the socket's 208 KiB at most (net/core/sock.c), until it is read.
constexpr std::size_t kRequestsAtOnce = 32;

Error refusal(const Acknowledgement& answer) {
  std::string message = answer.text.empty() ? "the kernel refused" : fmt::format("the kernel refused: {}", answer.text);
  if (answer.sys_errno == EPERM) {
    message += "; this needs CAP_NET_ADMIN (root)";
  }
  return Error::from_errno(answer.sys_errno, std::move(message));
}

Error outgrown() { return {ErrorCode::limit, "a netlink message outgrew its buffer"}; }

}  // namespace

void Socket::Closer::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Socket::Socket(std::unique_ptr<mnl_socket, Closer> socket)
    : socket_(std::move(socket)), received_(std::make_unique<std::byte[]>(kReceiveBytes)) {}

Result<Socket> Socket::open(int protocol) {
  std::unique_ptr<mnl_socket, Closer> socket(mnl_socket_open2(protocol, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return Error::from_errno(errno, "open a netlink socket");
  }
  // CAP_ACK: an error does not carry our request, and with it a key, back to us.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    int on = 1;
    if (mnl_socket_setsockopt(socket.get(), option, &on, sizeof on) < 0) {
      return Error::from_errno(errno, "set up a netlink socket");
    }
  }
  return Socket(std::move(socket));
}

template <typename Handler>
Result<void> Socket::receive(const Handler& handler) {
  const unsigned port = mnl_socket_get_portid(socket_.get());
  bool seen_last = false;
  while (!seen_last) {
    const ssize_t got = mnl_socket_recvfrom(socket_.get(), received_.get(), kReceiveBytes);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      const int why = errno;
      ::explicit_bzero(received_.get(), kReceiveBytes);  // of a message that was cut the size is unknown
      return Error::from_errno(why, "receive a netlink message");
    }
    const auto size = static_cast<std::size_t>(got);
    const auto read = for_each_message({received_.get(), size}, [&](const nlmsghdr& answer) -> Result<void> {
      if (answer.nlmsg_pid != port) {
        return {};
      }
      KRAIT_TRY(const bool last, handler(answer));
      seen_last = seen_last || last;
      return {};
    });
    ::explicit_bzero(received_.get(), size);
    if (!read) {
      return read;
    }
  }
  return {};
}

Result<void> Socket::exchange(Message& message, const MessageHandler& handler, bool& interrupted) {
  if (message.overflown()) {
    return outgrown();
  }
  nlmsghdr& request = message.header();
  request.nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), &request, request.nlmsg_len) < 0) {
    return Error::from_errno(errno, "send a netlink message");
  }
  std::optional<Acknowledgement> end;
  Result<void> handled;
  KRAIT_CHECK(receive([&](const nlmsghdr& answer) -> Result<bool> {
    if (answer.nlmsg_seq != sequence_) {
      return false;
    }
    interrupted = interrupted || (answer.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (answer.nlmsg_type == NLMSG_ERROR || answer.nlmsg_type == NLMSG_DONE) {
      end = parse_acknowledgement(answer);
      return end ? Result<bool>(true) : malformed_answer();
    }
    // After a failure the rest of the answer is still read, so that the next request does not meet it.
    if (handled && answer.nlmsg_type >= NLMSG_MIN_TYPE) {
      handled = handler(answer);
    }
    return false;
  }));
  if (end->sys_errno != 0) {
    return refusal(*end);
  }
  return handled;
}

Result<void> Socket::request_each(const Requests& requests) {
  for (std::size_t first = 0; first < requests.count; first += kRequestsAtOnce) {
    KRAIT_CHECK(request_some(requests, first, std::min(requests.count, first + kRequestsAtOnce)));
  }
  return {};
}

Result<void> Socket::request_some(const Requests& requests, std::size_t first, std::size_t end) {
  std::vector<std::byte> datagram;
  const std::uint32_t before = sequence_;
  for (std::size_t i = first; i < end; ++i) {
    Message message = requests.build(i);
    if (message.overflown()) {
      return outgrown();
    }
    nlmsghdr& header = message.header();
    header.nlmsg_seq = ++sequence_;
    // The kernel tells of a refusal without being asked to; what it has done is known when the last one is answered.
    header.nlmsg_flags = static_cast<std::uint16_t>(header.nlmsg_flags | (i + 1 == end ? NLM_F_ACK : 0));
    const auto* bytes = reinterpret_cast<const std::byte*>(&header);
    datagram.insert(datagram.end(), bytes, bytes + header.nlmsg_len);
    datagram.resize(aligned(datagram.size()));
  }
  if (mnl_socket_sendto(socket_.get(), datagram.data(), datagram.size()) < 0) {
    return Error::from_errno(errno, "send netlink messages");
  }
  Result<void> handled;
  auto received = receive([&](const nlmsghdr& answer) -> Result<bool> {
    const std::uint32_t number = answer.nlmsg_seq - before;  // from 1
    if (number == 0 || number > end - first) {
      return false;
    }
    const std::size_t index = first + number - 1;
    if (answer.nlmsg_type != NLMSG_ERROR) {
      requests.answered(index, answer);
      return false;
    }
    const auto acknowledgement = parse_acknowledgement(answer);
    if (!acknowledgement) {
      return malformed_answer();
    }
    if (handled && acknowledgement->sys_errno != 0) {
      handled = requests.refused(index, refusal(*acknowledgement));
    }
    return index + 1 == end;
  });
  return received ? handled : received;
}

Result<void> Socket::request(Message& message, const MessageHandler& handler) {
  message.header().nlmsg_flags |= NLM_F_ACK;
  bool interrupted = false;
  return exchange(message, handler, interrupted);
}

Result<void> Socket::request(Message& message) {
  return request(message, [](const nlmsghdr&) { return Result<void>{}; });
}

Result<void> Socket::dump(Message& message, const std::function<void()>& restart, const MessageHandler& handler) {
  message.header().nlmsg_flags |= NLM_F_DUMP;
  for (int i = 0; i < kDumpTries; ++i) {
    restart();
    bool interrupted = false;
    auto done = exchange(message, handler, interrupted);
    if (!done || !interrupted) {
      return done;
    }
  }
  return Error(ErrorCode::system,
               fmt::format("it changed {} times while being read; something else is changing it", kDumpTries));
}

std::optional<Acknowledgement> parse_acknowledgement(const nlmsghdr& message) {
  const auto payload = message_payload(message);
  int error = 0;
  if (payload.size() < sizeof error) {
    // A dump's end carries its error since long; before, it was empty.
    return message.nlmsg_type == NLMSG_DONE ? std::optional<Acknowledgement>(Acknowledgement{}) : std::nullopt;
  }
  std::memcpy(&error, payload.data(), sizeof error);
  if (error > 0 || error == std::numeric_limits<int>::min()) {
    return std::nullopt;
  }
  Acknowledgement answer{.sys_errno = -error, .text = {}};
  std::size_t attributes_at = sizeof error;
  if (message.nlmsg_type == NLMSG_ERROR) {
    const auto header = message_header<nlmsgerr>(message);
    if (!header) {
      return std::nullopt;
    }
    attributes_at = sizeof(nlmsgerr);
    if ((message.nlmsg_flags & NLM_F_CAPPED) == 0 && header->msg.nlmsg_len > sizeof(nlmsghdr)) {
      attributes_at += aligned(std::size_t{header->msg.nlmsg_len} - sizeof(nlmsghdr));
    }
  }
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && attributes_at < payload.size()) {
    const auto table = find_attributes<NLMSGERR_ATTR_MSG + 1>(message, attributes_at);
    answer.text = attribute_text(table[NLMSGERR_ATTR_MSG]);
  }
  return answer;
}

}  // namespace netlink
