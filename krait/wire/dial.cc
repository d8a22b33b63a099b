#include "krait/wire/dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "krait/wire/connection.h"

namespace krait::wire {

using common::Endpoint;
using common::Error;
using common::Family;
using common::Fd;
using common::Ip;
using common::Result;

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress address_of(const Ip& ip, std::uint16_t port) {
  SocketAddress address;
  if (ip.family == Family::v4) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    std::memcpy(&to.sin_addr, ip.bytes.data(), sizeof(to.sin_addr));
    std::memcpy(&address.storage, &to, sizeof(to));
    address.size = sizeof(to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    std::memcpy(&to.sin6_addr, ip.bytes.data(), sizeof(to.sin6_addr));
    std::memcpy(&address.storage, &to, sizeof(to));
    address.size = sizeof(to);
  }
  return address;
}

std::optional<Endpoint> endpoint_of(const sockaddr_storage& storage) {
  Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in from{};
    std::memcpy(&from, &storage, sizeof(from));
    endpoint.ip.family = Family::v4;
    std::memcpy(endpoint.ip.bytes.data(), &from.sin_addr, sizeof(from.sin_addr));
    endpoint.port = ntohs(from.sin_port);
    return endpoint;
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 from{};
    std::memcpy(&from, &storage, sizeof(from));
    endpoint.port = ntohs(from.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&from.sin6_addr)) {
      // A socket of both families writes IPv4 so; nobody else can call ::ffff:192.0.2.1 (RFC 4291 2.5.5.2).
      endpoint.ip.family = Family::v4;
      std::memcpy(endpoint.ip.bytes.data(), &from.sin6_addr.s6_addr[12], sizeof(in_addr));
    } else {
      endpoint.ip.family = Family::v6;
      std::memcpy(endpoint.ip.bytes.data(), &from.sin6_addr, sizeof(from.sin6_addr));
    }
    return endpoint;
  }
  return std::nullopt;
}

Result<Fd> tcp_socket(Family family) {
  Fd fd(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) {
    return Error::from_errno(errno, "make a TCP socket");
  }
  return fd;
}

}  // namespace

Result<Fd> dial(const Endpoint& to) {
  KRAIT_TRY(auto fd, tcp_socket(to.ip.family));
  keep_alive(fd.get());
  const SocketAddress address = address_of(to.ip, to.port);
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
    return Error::from_errno(errno, "connect to " + to.text());
  }
  return fd;
}

Result<Fd> listen_on(const Ip& ip, std::uint16_t port) {
  KRAIT_TRY(auto fd, tcp_socket(ip.family));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const SocketAddress address = address_of(ip, port);
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
    return Error::from_errno(errno, "listen on " + Endpoint{ip, port}.text());
  }
  return fd;
}

Result<Endpoint> own_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return Error::from_errno(errno, "ask where a socket is bound");
  }
  const auto endpoint = endpoint_of(storage);
  return endpoint ? Result<Endpoint>(*endpoint) : Error(common::ErrorCode::system, "a socket that is not of TCP");
}

std::optional<Endpoint> peer_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return std::nullopt;
  }
  return endpoint_of(storage);
}

}  // namespace krait::wire
