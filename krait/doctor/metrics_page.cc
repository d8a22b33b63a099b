#include "krait/doctor/metrics_page.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/fd.h"
#include "common/ip.h"

namespace krait::doctor {

using common::Error;
using common::Result;

namespace {

constexpr int kAnswerSeconds = 5;      // for each piece of an answer
constexpr int kMaxAnswerSeconds = 20;  // for all of it

// Whoever listens there while no agent does is anybody: neither a slow answer nor one without an end may hold this up.
Result<std::string> receive_page(int fd, std::size_t max_bytes) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kMaxAnswerSeconds);
  std::string text;
  std::array<char, 16384> chunk;
  for (;;) {
    if (std::chrono::steady_clock::now() > deadline) {
      return Error(common::ErrorCode::unavailable,
                   fmt::format("the metrics page had not ended after {} s", kMaxAnswerSeconds));
    }
    const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return Error::from_errno(errno, "read the metrics page");
    }
    if (got == 0 || text.size() > max_bytes) {
      return text;
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<std::string> metrics_page(std::size_t max_bytes) {
  const char* set = std::getenv("KRAIT_METRICS");
  const auto endpoint = common::Endpoint::parse(set != nullptr ? set : "127.0.0.1:9517");
  if (!endpoint || endpoint->ip.family != common::Family::v4) {
    return Error(common::ErrorCode::invalid_input, "KRAIT_METRICS is no IPv4 address with a port");
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint->port);
  std::memcpy(&address.sin_addr, endpoint->ip.bytes.data(), sizeof(address.sin_addr));
  const common::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = kAnswerSeconds, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  constexpr std::string_view kRequest = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) {
    return Error::from_errno(errno, fmt::format("ask for the metrics page at {}", endpoint->text()));
  }
  return receive_page(fd.get(), max_bytes);
}

}  // namespace krait::doctor
