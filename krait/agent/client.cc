#include "krait/agent/client.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "krait/agent/unix_socket.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// The status of 65,536 peers takes some 20 MB.
constexpr std::size_t kMostAnswerBytes = std::size_t{256} << 20U;

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

Result<std::string> receive_line(int fd) {
  std::string line;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) {
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
    if (line.size() > kMostAnswerBytes) {
      return Error(ErrorCode::limit, "the agent's answer is too long");
    }
  }
}

}  // namespace

Result<Json> ask(const std::string& socket_path, Request request) {
  auto fd = connect_unix(socket_path);
  if (!fd) {
    return fd.error();
  }
  if (auto sent = send_all(fd->get(), request_line(request)); !sent) {
    return sent.error();
  }
  auto line = receive_line(fd->get());
  if (!line) {
    return line.error();
  }
  auto json = parse_json_object(*line);
  if (!json || json->value("version", Json()) != kProtocolVersion) {
    return Error(ErrorCode::system, "the agent's answer is not of this program's version; restart the agent");
  }
  if (json->contains("error")) {
    return error_from_json(*json);
  }
  return std::move(*json);
}

}  // namespace krait::agent
