#include "common/event/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <system_error>

#include "common/fd.h"

namespace common {

namespace {

void notify_starter(std::string_view text) {
  const char* number = std::getenv(kNoticeVariable);
  const std::string_view digits(number != nullptr ? number : "");
  int fd = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
  if (error == std::errc() && end == digits.data() + digits.size() && fd > STDERR_FILENO) {
    ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

void notify_manager(std::string_view text) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr) {
    return;
  }
  const std::string_view path(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
    return;
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  if (path[0] == '@') {
    address.sun_path[0] = '\0';  // an abstract name
  }
  const common::Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (fd.valid()) {
    ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  }
}

void notify(std::string_view text) {
  notify_starter(text);
  notify_manager(text);
}

}  // namespace

void notify_ready(std::string_view status) { notify("READY=1\nSTATUS=" + std::string(status)); }

void notify_alive() {
  if (std::getenv("WATCHDOG_USEC") != nullptr) {
    notify_manager("WATCHDOG=1");
  }
}

void notify_failed(std::string_view why) {
  std::string line(why.substr(0, 4096));  // a datagram holds one assignment a line
  std::replace(line.begin(), line.end(), '\n', ' ');
  notify("STATUS=" + line);
}

}  // namespace common
