// The two byte streams of a connection: requests cut out of what arrives, answers and events put in a row to leave.
// Pure; sockets and rings carry the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krata/store/message.h"

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
  [[nodiscard]] std::string_view waiting() const { return std::string_view(buffer_).substr(taken_); }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool is_broken_ = false;
};

// Keeps what a client has not taken yet. An event that waits already, to the byte, is not queued again: its client will
// look at the path after both changes.
class Outbox {
 public:
  // False: it is an event that waits already.
  bool add(const Message& message);
  // The same without asking: what add() has taken before, in another process.
  void append(std::string_view bytes, bool is_event);

  [[nodiscard]] std::string_view waiting() const { return std::string_view(buffer_).substr(sent_); }
  // That many bytes of waiting() have left. Returns the bytes of messages that are through.
  std::size_t sent(std::size_t bytes);
  [[nodiscard]] std::size_t sent_of_first() const { return sent_of_first_; }
  [[nodiscard]] std::size_t waiting_answers() const { return answers_; }
  [[nodiscard]] std::size_t waiting_event_bytes() const { return event_bytes_; }
  // All that are not through, the first one whole even where a part of it has left.
  struct Waiting {
    std::string_view bytes;
    bool is_event = false;
  };
  [[nodiscard]] std::vector<Waiting> messages() const;

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

// Both streams of a domain's ring. Places count bytes as the ring's indices do.
struct Streams {
  std::uint32_t taken = 0;  // place up to which the inbox has it
  std::uint32_t put = 0;    // place of the first message of the outbox
  bool is_broken = false;   // the domain broke the protocol, and is not served until it is introduced again
  Inbox inbox;
  Outbox outbox;
};

}  // namespace krata::store
