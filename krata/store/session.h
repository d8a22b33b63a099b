// The two byte streams of a connection: requests cut out of what arrives, answers and events put in a row to leave.
// Pure; sockets and rings carry the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "krata/store/store.h"

namespace krata::store {

// Cuts requests out of a stream that may come in any pieces.
class Inbox {
 public:
  void append(std::string_view bytes);
  // The next whole request; its payload is valid until the next call of append or next. Nothing: more is needed, or
  // is_broken().
  std::optional<Request> next();
  // The next request says that it is longer than any may be: there is no way to find the one after it.
  [[nodiscard]] bool is_broken() const { return is_broken_; }
  [[nodiscard]] std::size_t bytes() const { return buffer_.size() - taken_; }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool is_broken_ = false;
};

// Keeps what a client has not taken yet. An event that waits already, to the byte, is not queued again: its client will
// look at the path after both changes.
class Outbox {
 public:
  void add(const Message& message);

  [[nodiscard]] std::string_view waiting() const { return std::string_view(buffer_).substr(sent_); }
  // That many bytes of waiting() have left.
  void sent(std::size_t bytes);
  [[nodiscard]] std::size_t waiting_answers() const { return answers_; }
  [[nodiscard]] std::size_t waiting_event_bytes() const { return event_bytes_; }

 private:
  struct Queued {
    std::size_t bytes = 0;
    bool is_event = false;
  };

  bool is_waiting(std::string_view event) const;

  std::string buffer_;
  std::size_t sent_ = 0;
  std::deque<Queued> queue_;
  std::size_t sent_of_first_ = 0;
  std::size_t answers_ = 0;
  std::size_t event_bytes_ = 0;
};

}  // namespace krata::store
