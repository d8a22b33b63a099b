#include "krata/control/client.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "common/answer.h"
#include "common/event/unix_socket.h"

namespace krata::control {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr common::Served kDaemon{.by = "kratad",
                                 .start = "systemctl start kratad, and krata doctor says what keeps it from running"};

// A list of 512 zones with the longest specs.
constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 20U;

}  // namespace

Result<Conversation> Conversation::open(const std::string& socket_path, const Request& request) {
  KRAIT_TRY(auto fd, common::connect_unix(socket_path, kDaemon));
  Conversation conversation(std::move(fd));
  KRAIT_CHECK(conversation.send(request_json(request)));
  return conversation;
}

Result<void> Conversation::send(const Json& json) {
  const std::string line = common::json_line(json);
  std::string_view bytes = line;
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      return {};  // what it said before it closed is read next
    }
    if (put < 0 && errno != EINTR) {
      return Error::from_errno(errno, "send to kratad");
    }
    bytes.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : 0);
  }
  return {};
}

// False: nothing more comes, or not now.
Result<bool> Conversation::receive_some(int flags) {
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), flags);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno == EAGAIN ? Result<bool>(false) : Error::from_errno(errno, "read what kratad says");
    }
    bytes_.append(chunk.data(), static_cast<std::size_t>(got));
    if (bytes_.size() > kMaxAnswerBytes) {
      return Error(ErrorCode::limit, "kratad's answer is too long");
    }
    return got > 0;
  }
}

Result<std::optional<Json>> Conversation::take_line() {
  const std::size_t end = bytes_.find('\n');
  if (end == std::string::npos) {
    return std::optional<Json>();
  }
  auto json = common::parse_json_object(std::string_view(bytes_).substr(0, end));
  bytes_.erase(0, end + 1);
  if (!json) {
    return Error(ErrorCode::system, "kratad's answer is not of this program's version; restart kratad");
  }
  if (json->contains("error")) {
    return common::error_from_json(*json);
  }
  return json;
}

Result<std::optional<Json>> Conversation::next() {
  for (;;) {
    KRAIT_TRY(auto json, take_line());
    if (json) {
      return json;
    }
    KRAIT_TRY(const bool some, receive_some(0));
    if (!some) {
      return std::optional<Json>();
    }
  }
}

Result<std::optional<Json>> Conversation::poll(bool& is_over) {
  KRAIT_TRY(auto json, take_line());
  if (json) {
    return json;
  }
  KRAIT_TRY(const bool some, receive_some(MSG_DONTWAIT));
  if (some) {
    return take_line();
  }
  std::array<char, 1> one;
  is_over = ::recv(fd_.get(), one.data(), one.size(), MSG_DONTWAIT | MSG_PEEK) == 0;
  return std::optional<Json>();
}

Result<Json> ask(const std::string& socket_path, const Request& request) {
  KRAIT_TRY(auto conversation, Conversation::open(socket_path, request));
  KRAIT_TRY(auto json, conversation.next());
  if (!json) {
    return Error(ErrorCode::unavailable, "kratad ended before it answered");
  }
  if (json->value("version", Json()) != kProtocolVersion) {
    return Error(ErrorCode::system, "kratad's answer is not of this program's version; restart kratad");
  }
  return std::move(*json);
}

}  // namespace krata::control
