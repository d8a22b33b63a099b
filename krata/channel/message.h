// Messages between host and zone over the zone's second console: a stream of bytes both ways in which either side may
// begin anywhere. docs/krata_channel.md describes the bytes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krata::channel {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{32} << 10U;
// What a message holds of a session's bytes at most: small, so that no session holds up another for long.
inline constexpr std::size_t kMaxPieceBytes = 4096;
// How much of a session's bytes may be on the way in one direction before the other side says that it has taken some.
inline constexpr std::uint64_t kWindowBytes = std::uint64_t{64} << 10U;
inline constexpr std::size_t kMaxSessions = 64;  // at a time, the container's own included

using SessionId = std::uint32_t;
inline constexpr SessionId kContainer = 0;  // the container's own input and output

enum class Kind : std::uint16_t {
  hello = 1,         // to the zone, which forgets all sessions but the container's; and its answer
  start = 2,         // to the zone: run this in the container
  started = 3,       // to the host
  refused = 4,       // to the host: why it could not be started; the session is over
  output = 5,        // to the host: offset, stream, bytes
  output_ended = 6,  // to the host: nothing more will come of the stream
  output_taken = 7,  // to the zone: of the session's output this much in all
  input = 8,         // to the zone: offset, bytes
  input_ended = 9,   // to the zone
  input_taken = 10,  // to the host: of the session's input this much in all
  resize = 11,       // to the zone: the terminal's size
  signal = 12,       // to the zone: to the session's process
  exited = 13,       // to the host: how; the session is over
  exit_taken = 14,   // to the zone: the host knows how the container has ended
  stop = 15,         // to the zone: send the container its stop signal
  ready = 16,        // to the host, the first of all: say hello now, what was said before may not have come as it was
};

// What did not start ends with, as a shell has it.
enum class NotStarted : std::uint8_t {
  cannot_run = 126,  // it is there, and may not or cannot be run
  not_there = 127,
};

struct Message {
  Kind kind = Kind::hello;  // any number: what arrives need not be one of them
  SessionId session = kContainer;
  std::string payload;
  bool operator==(const Message&) const = default;
};

// `payload` has at most kMaxPayloadBytes.
void append_message(std::string& out, Kind kind, SessionId session, std::string_view payload);
// Ends what another writer may have left unfinished; to be sent before the first message.
void append_break(std::string& out);

// Finds the messages in a stream. What is no message is passed over. Holds one unfinished message, and what was fed
// last.
class MessageReader {
 public:
  void feed(std::string_view bytes);
  // The next whole message; nothing: more bytes are needed.
  std::optional<Message> next();
  // How many bytes were passed over since the beginning.
  [[nodiscard]] std::uint64_t lost_bytes() const { return lost_bytes_; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;      // where the unfinished message begins
  std::size_t seen_ = 0;    // up to here nothing ends it
  bool overflown_ = false;  // it is longer than any message, and passed over
  std::uint64_t lost_bytes_ = 0;
};

}  // namespace krata::channel
