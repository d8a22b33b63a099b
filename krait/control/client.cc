#include "krait/control/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include "common/answer.h"
#include "common/event/unix_socket.h"
#include "common/fd.h"

namespace krait::control {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// The status of 65,536 peers takes some 20 MB.
constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 20U;

// As long as the service's watchdog waits for an agent that does not get round to anything else.
constexpr std::chrono::seconds kAnswerPatience{180};

// From the agent's answer to its end: it has nothing left to do.
constexpr std::chrono::seconds kEndPatience{10};

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno != EINTR) {
      return Error::from_errno(errno, "send the request to the agent");
    }
    bytes.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : 0);
  }
  return {};
}

// Waits for the next bytes until the deadline. False: none came.
bool await_bytes(int fd, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{fd, POLLIN, 0};
    const int come = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (come >= 0 || errno != EINTR) {
      return come != 0;
    }
  }
}

Result<std::string> receive_line(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerPatience;
  std::string line;
  std::array<char, 65536> chunk;
  for (;;) {
    if (!await_bytes(fd, deadline)) {
      return Error(ErrorCode::system, fmt::format("the agent has not answered for {} s; see its log, or start it anew",
                                                  kAnswerPatience.count()));
    }
    const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (got < 0) {
      return Error::from_errno(errno, "read the agent's answer");
    }
    if (got == 0) {
      return Error(ErrorCode::unavailable, "the agent ended before it answered");
    }
    line.append(chunk.data(), static_cast<std::size_t>(got));
    if (line.back() == '\n') {
      line.pop_back();
      return line;
    }
    if (line.size() > kMaxAnswerBytes) {
      return Error(ErrorCode::limit, "the agent's answer is too long");
    }
  }
}

// The process that listens at the other end, as poll() takes it; none where it has ended, or is of another process
// namespace.
common::Fd process_behind(int fd) {
  ucred listener{};
  socklen_t size = sizeof(listener);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0 || listener.pid <= 0) {
    return {};
  }
  return common::Fd(static_cast<int>(::syscall(SYS_pidfd_open, listener.pid, 0)));
}

Result<Json> ask_over(int fd, Request request) {
  KRAIT_CHECK(send_all(fd, request_line(request)));
  KRAIT_TRY(auto line, receive_line(fd));
  auto json = common::parse_json_object(line);
  if (!json || json->value("version", Json()) != kProtocolVersion) {
    return Error(ErrorCode::system, "the agent's answer is not of this program's version; restart the agent");
  }
  if (json->contains("error")) {
    return common::error_from_json(*json);
  }
  return std::move(*json);
}

}  // namespace

Result<Json> ask(const std::string& socket_path, Request request) {
  KRAIT_TRY(const auto fd, common::connect_unix(socket_path));
  return ask_over(fd.get(), request);
}

Result<Json> ask_to_end(const std::string& socket_path, Request request) {
  KRAIT_TRY(const auto fd, common::connect_unix(socket_path));
  const common::Fd agent = process_behind(fd.get());
  KRAIT_TRY(auto answer, ask_over(fd.get(), request));
  if (agent.valid()) {
    await_bytes(agent.get(), std::chrono::steady_clock::now() + kEndPatience);  // readable: it has ended
  }
  return answer;
}

}  // namespace krait::control
