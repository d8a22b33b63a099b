#include "lab/traffic/socket.h"

#include <netinet/udp.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "lab/traffic/state.h"

namespace lab {

SocketAddress to_socket_address(const common::Endpoint& endpoint) {
  SocketAddress address;
  if (endpoint.ip.family == common::Family::v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.ip.bytes.data(), 4);
    std::memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    std::memcpy(&in.sin6_addr, endpoint.ip.bytes.data(), 16);
    std::memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
  }
  return address;
}

common::Result<common::Fd> open_socket(const common::Endpoint& endpoint, int type) {
  const int family = endpoint.ip.family == common::Family::v4 ? AF_INET : AF_INET6;
  common::Fd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    return common::Error::from_errno(errno, "open a socket");
  }
  return fd;
}

Received receive(int fd, std::span<std::byte> buffer, SocketAddress* from) {
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::byte control[256];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (from != nullptr) {
    message.msg_name = &from->storage;
    message.msg_namelen = sizeof from->storage;
  }
  Received received;
  received.bytes = ::recvmsg(fd, &message, 0);
  if (received.bytes < 0) {
    return received;
  }
  if (from != nullptr) {
    from->length = message.msg_namelen;
  }
  received.time_ns = realtime_ns();
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp{};
      std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      received.time_ns =
          static_cast<std::uint64_t>(stamp.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(stamp.tv_nsec);
    } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int bytes = 0;
      std::memcpy(&bytes, CMSG_DATA(c), sizeof bytes);
      received.segment_bytes = static_cast<std::size_t>(bytes);
    }
  }
  return received;
}

common::Result<common::Fd> open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  common::Fd fd;
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) == 0) {
    fd.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  if (!fd.valid()) {
    return common::Error::from_errno(errno, "await signals");
  }
  return fd;
}

Signal next_signal(int signals) {
  signalfd_siginfo info{};
  const bool got = ::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info);
  return got && info.ssi_signo == SIGUSR1 ? Signal::pause : Signal::stop;
}

Pacer::Pacer(std::uint64_t records_per_s)
    : period_ns_(1'000'000'000U / std::max<std::uint64_t>(records_per_s, 1)), next_ns_(monotonic_ns()) {}

int Pacer::sleep_ms(std::uint64_t now_ns) const {
  return due(now_ns) ? 0 : static_cast<int>((next_ns_ - now_ns + 999'999U) / 1'000'000U);
}

}  // namespace lab
