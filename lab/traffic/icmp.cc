#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lab/traffic/socket.h"
#include "lab/traffic/traffic.h"

namespace lab {
namespace {

constexpr std::size_t kChecksumOffset = 2;  // RFC 792

constexpr std::size_t kHeaderBytes = 8;

// RFC 1071, over a message whose checksum field is 0.
std::uint16_t internet_checksum_be(std::span<const std::byte> message) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < message.size(); i += 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, message.data() + i, std::min<std::size_t>(2, message.size() - i));
    sum += word;
  }
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace

common::Result<void> send_icmp(const common::Ip& to, std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes) {
    return common::Error(common::ErrorCode::invalid_input, "an ICMP message has 8 bytes and more");
  }
  const bool v4 = to.family == common::Family::v4;
  const int protocol = v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  const common::Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, protocol));
  std::vector<std::byte> bytes(message.begin(), message.end());
  if (v4) {  // for ICMPv6 the kernel does it
    bytes[kChecksumOffset] = bytes[kChecksumOffset + 1] = std::byte{0};
    const std::uint16_t checksum_be = internet_checksum_be(bytes);
    std::memcpy(&bytes[kChecksumOffset], &checksum_be, sizeof checksum_be);
  }
  const SocketAddress address = to_socket_address({to, 0});
  if (!fd.valid() || ::sendto(fd.get(), bytes.data(), bytes.size(), 0,
                              reinterpret_cast<const sockaddr*>(&address.storage), address.length) < 0) {
    return common::Error::from_errno(errno, "send an ICMP message");
  }
  return {};
}

}  // namespace lab
