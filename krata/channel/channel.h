// The host's end of the channel to one zone: fed with the zone's bytes, it gives events and bytes to send. Everything
// that the zone sends is hostile: memory is bounded whatever comes. Pure; not thread-safe.
//
//   channel.feed(bytes that came);  while (auto event = channel.next_event()) { ... }
//   while (!channel.to_send().empty()) { channel.sent(write(channel.to_send())); }
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/result.h"
#include "krata/channel/message.h"
#include "krata/channel/outbox.h"
#include "krata/channel/values.h"

namespace krata::channel {

// The zone's first process speaks: after it has come up, and in answer to every Channel that is made.
struct Greeted {
  State state = State::starting;
  bool operator==(const Greeted&) const = default;
};
struct Started {
  SessionId session = kContainer;
  bool operator==(const Started&) const = default;
};
// Bytes of a process. The owner says output_taken() when it is done with them: the zone sends no more than kWindowBytes
// ahead of that, and gives those of the container again to the next Channel that asks.
struct Output {
  SessionId session = kContainer;
  Stream stream = Stream::output;
  std::uint64_t offset = 0;  // of the first byte, counted over both streams since the session began
  std::string bytes;
  bool operator==(const Output&) const = default;
};
struct OutputEnded {
  SessionId session = kContainer;
  Stream stream = Stream::output;
  bool operator==(const OutputEnded&) const = default;
};
// input_room() is above 0 again.
struct InputRoom {
  SessionId session = kContainer;
  bool operator==(const InputRoom&) const = default;
};
// The session is over, all its output came before. For the container: exit_taken() makes the zone power off at once.
struct Exited {
  SessionId session = kContainer;
  Exit exit;
  bool operator==(const Exited&) const = default;
};
// It could not be started. For the container the zone ends then, as after Exited.
struct Refused {
  SessionId session = kContainer;
  std::string why;  // printable ASCII, at most kMaxWhyBytes
  NotStarted code = NotStarted::not_there;
  bool operator==(const Refused&) const = default;
};
// The zone sent what no krata-init sends. Only the first fault of a channel is told; faults() counts them.
struct Fault {
  std::string what;
  bool operator==(const Fault&) const = default;
};

using Event = std::variant<Greeted, Started, Output, OutputEnded, InputRoom, Exited, Refused, Fault>;

inline constexpr std::size_t kMaxWhyBytes = 1024;

class Channel {
 public:
  // `output_taken`: how much of the container's output former Channels of this zone have taken, so that none comes
  // twice; 0 for a new zone. `epoch`: another number for each Channel of a zone, as the time is: answers to a former
  // one do not count. The greeting to the zone is in to_send() at once; before Greeted the zone runs nothing and takes
  // no input.
  explicit Channel(std::uint64_t output_taken = 0, std::uint64_t epoch = 0);

  // At most some 64 KiB at a time; the events must be fetched before the next.
  void feed(std::string_view bytes);
  std::optional<Event> next_event();

  [[nodiscard]] std::string_view to_send() const;
  void sent(std::size_t bytes);

  // Runs a process in the container. Fails with limit (kMaxSessions, a description too large for a message),
  // invalid_input, and unavailable (the container does not run).
  common::Result<SessionId> start(const bundle::Process& process);

  // How many bytes of input the session takes now.
  [[nodiscard]] std::size_t input_room(SessionId session) const;
  // Gives how many of them were taken: those that there is room for. 0 for a session that is over.
  std::size_t input(SessionId session, std::string_view bytes);
  void end_input(SessionId session);
  void resize(SessionId session, bundle::WindowSize size);
  // To the session's process alone, as `docker kill` has it. 1 to 64.
  void signal(SessionId session, std::uint32_t number);
  // Of the session's output, `bytes` more are done with.
  void output_taken(SessionId session, std::uint64_t bytes);

  // The container gets its stop signal.
  void stop();
  // The container's end is known and kept: the zone may power off.
  void exit_taken();

  // How much of the container's output was taken: what the next Channel needs to be told.
  [[nodiscard]] std::uint64_t container_output_taken() const { return container_taken_; }
  [[nodiscard]] std::uint64_t faults() const { return faults_; }
  [[nodiscard]] std::uint64_t lost_bytes() const { return reader_.lost_bytes(); }

 private:
  struct Session {
    std::uint64_t output_received = 0;
    std::uint64_t output_taken = 0;
    std::uint64_t input_sent = 0;
    std::uint64_t input_taken = 0;
    bool started = false;
    bool input_ended = false;
    bool told_no_room = false;
    bool owes_taken = false;  // the zone has not been told of all that was taken
    bool over = false;        // only the container's is kept then
  };
  using Sessions = std::map<SessionId, Session>;

  void handle(const Message& message);
  void say_hello();
  void say_hello_again();
  void greet(const Message& message);
  void handle_of(SessionId id, Session& session, const Message& message);
  void take_output(SessionId id, Session& session, const Message& message);
  void take_input_taken(SessionId id, Session& session, const Message& message);
  void end(SessionId id, Event event);
  void tell_taken(SessionId id, Session& session);
  void tell_of_room(SessionId id, Session& session);
  void fault(std::string_view what);
  void send(Kind kind, SessionId session, std::string_view payload);
  Session* find(SessionId id);
  [[nodiscard]] bool has_room_for_orders() const;

  MessageReader reader_;
  std::deque<Event> events_;
  Sessions sessions_;
  Outbox out_;
  SessionId next_session_ = 1;
  std::uint64_t epoch_;
  bool greeted_ = false;
  State state_ = State::starting;
  std::uint64_t container_taken_;
  std::uint64_t faults_ = 0;
};

}  // namespace krata::channel
