#include "common/event/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace common {

namespace {

socklen_t fill(sockaddr_storage& storage, const Endpoint& endpoint) {
  if (endpoint.ip.family == Family::v4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::copy_n(endpoint.ip.bytes.begin(), 4, reinterpret_cast<std::uint8_t*>(&v4->sin_addr));
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  std::copy_n(endpoint.ip.bytes.begin(), 16, reinterpret_cast<std::uint8_t*>(&v6->sin6_addr));
  return sizeof(*v6);
}

}  // namespace

bool is_loopback(const Ip& ip) { return ip.family == Family::v4 ? ip.bytes[0] == 127 : ip == *Ip::parse("::1"); }

Result<Fd> listen_tcp(const Endpoint& endpoint) {
  if (!is_loopback(endpoint.ip)) {
    return Error(ErrorCode::invalid_input,
                 endpoint.text() + " is not a loopback address, and the metrics page has no authentication");
  }
  sockaddr_storage address{};
  const socklen_t size = fill(address, endpoint);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd.get(), 64) != 0) {
    return Error::from_errno(errno, "listen on " + endpoint.text());
  }
  return fd;
}

}  // namespace common
