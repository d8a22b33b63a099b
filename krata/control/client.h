// Asks a running kratad over its control socket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "krata/control/protocol.h"

namespace krata::control {

// One connection. One thread. Fails with unavailable when no daemon answers, and with the daemon's own error.
class Conversation {
 public:
  static common::Result<Conversation> open(const std::string& socket_path, const Request& request);

  // The next line of a stream, whatever time it takes. Nothing: the daemon has closed it.
  common::Result<std::optional<Json>> next();
  // A line that has come already, or nothing. `is_over`: nothing will come any more.
  common::Result<std::optional<Json>> poll(bool& is_over);
  // Nothing fails where the daemon has closed it: next() has its last words.
  common::Result<void> send(const Json& json);

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit Conversation(common::Fd fd) : fd_(std::move(fd)) {}
  common::Result<bool> receive_some(int flags);
  common::Result<std::optional<Json>> take_line();

  common::Fd fd_;
  std::string bytes_;
};

// One request and its one answer.
common::Result<Json> ask(const std::string& socket_path, const Request& request);

}  // namespace krata::control
