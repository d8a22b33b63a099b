#include "bench/net/sockets.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace krait::bench {
namespace {

constexpr int kBufferBytes = 4 * 1024 * 1024;
constexpr int kMemoryInfo = 55;  // SO_MEMINFO, include/uapi/asm-generic/socket.h

sockaddr_in address_of(std::uint32_t number, std::uint16_t port) {
  const common::Ip ip = host(number, common::Family::v4);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, ip.bytes.data(), sizeof(address.sin_addr));
  return address;
}

common::Error failed(const char* what) { return common::Error::from_errno(errno, what); }

common::Result<common::Fd> bound_socket(int type, std::uint32_t number, std::uint16_t port) {
  common::Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const int on = 1;
  const timeval timeout{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));  // connect's time-out too
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  const linger reset{.l_onoff = 1, .l_linger = 0};  // a closed TCP connection sends nothing more
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  const sockaddr_in address = address_of(number, port);
  if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return failed("bind a socket");
  }
  return fd;
}

common::Result<void> connect_to(const common::Fd& fd, std::uint32_t number, std::uint16_t port) {
  const sockaddr_in address = address_of(number, port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return failed("connect");
  }
  return {};
}

struct Side {
  const Namespace& space;
  std::uint32_t number;
};
Side receiving_side(const Arena& arena, Way way) {
  return way == Way::to_guarded ? Side{arena.guarded, kGuarded} : Side{arena.peer, kPeer};
}
Side sending_side(const Arena& arena, Way way) {
  return way == Way::to_guarded ? Side{arena.peer, kPeer} : Side{arena.guarded, kGuarded};
}

common::Result<common::Fd> socket_on(const Side& side, int type, std::uint16_t port) {
  return inside(side.space, [&] { return bound_socket(type, side.number, port); });
}

}  // namespace

common::Result<Ends> udp_ends(const Arena& arena, Way way, std::uint16_t port) {
  const Side from = sending_side(arena, way);
  const Side to = receiving_side(arena, way);
  auto sender = socket_on(from, SOCK_DGRAM, 0);
  auto receiver = socket_on(to, SOCK_DGRAM, port);
  if (!sender || !receiver) {
    return sender ? std::move(receiver.error()) : std::move(sender.error());
  }
  ::setsockopt(receiver->get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof(kBufferBytes));
  KRAIT_CHECK(connect_to(*sender, to.number, port));
  return Ends{.sender = std::move(*sender), .receiver = std::move(*receiver)};
}

common::Result<Ends> tcp_ends(const Arena& arena, Way way) {
  const Side to = receiving_side(arena, way);
  auto sender = socket_on(sending_side(arena, way), SOCK_STREAM, 0);
  auto listener = socket_on(to, SOCK_STREAM, kServicePort);
  if (!sender || !listener) {
    return sender ? std::move(listener.error()) : std::move(sender.error());
  }
  if (::listen(listener->get(), 1) != 0) {
    return failed("listen");
  }
  KRAIT_CHECK(connect_to(*sender, to.number, kServicePort));
  common::Fd receiver(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!receiver.valid()) {
    return failed("accept");
  }
  return Ends{.sender = std::move(*sender), .receiver = std::move(receiver)};
}

std::uint64_t overflowed(const common::Fd& socket) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t bytes = sizeof(info);
  ::getsockopt(socket.get(), SOL_SOCKET, kMemoryInfo, info.data(), &bytes);
  return info[SK_MEMINFO_DROPS];
}

void run_on_cpu(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ::sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace krait::bench
