// The zone's end of the channel to the host, in krata-init. Believes the host no more than it must. Pure; not
// thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "krata/channel/message.h"
#include "krata/channel/outbox.h"
#include "krata/channel/values.h"

namespace krata::channel::zone {

// Another process speaks for the host now: sessions but the container's are over, and their processes are to be ended.
struct NewHost {
  bool operator==(const NewHost&) const = default;
};
struct Start {
  SessionId session = kContainer;
  bundle::Process process;
  bool operator==(const Start&) const = default;
};
// The owner says input_taken() when the process has it; at most kWindowBytes come ahead of that.
struct Input {
  SessionId session = kContainer;
  std::string bytes;
  bool operator==(const Input&) const = default;
};
struct InputEnded {
  SessionId session = kContainer;
  bool operator==(const InputEnded&) const = default;
};
struct Resize {
  SessionId session = kContainer;
  bundle::WindowSize size;
  bool operator==(const Resize&) const = default;
};
struct Signal {
  SessionId session = kContainer;
  std::uint32_t number = 0;  // 1 to 64
  bool operator==(const Signal&) const = default;
};
struct Stop {
  bool operator==(const Stop&) const = default;
};
struct ExitTaken {
  bool operator==(const ExitTaken&) const = default;
};

using Event = std::variant<NewHost, Start, Input, InputEnded, Resize, Signal, Stop, ExitTaken>;

class ZoneChannel {
 public:
  ZoneChannel();

  void feed(std::string_view bytes);
  std::optional<Event> next_event();

  [[nodiscard]] std::string_view to_send() const;
  void sent(std::size_t bytes);

  void started(SessionId session);
  void refused(SessionId session, NotStarted code, std::string_view why);
  // How many bytes of output the session takes now.
  [[nodiscard]] std::size_t output_room(SessionId session) const;
  // All of them: at most output_room().
  void output(SessionId session, Stream stream, std::string_view bytes);
  void end_output(SessionId session, Stream stream);
  // Of the session's input, `bytes` more are with the process, or let go of.
  void input_taken(SessionId session, std::uint64_t bytes);
  // How the process ended. All its output came before.
  void exited(SessionId session, const Exit& exit);

 private:
  struct Session {
    std::uint64_t output_sent = 0;
    std::uint64_t output_taken = 0;
    std::uint64_t input_received = 0;
    std::uint64_t input_taken = 0;
    bool owes_taken = false;  // the host has not been told of all that was taken
  };
  // What the container wrote and the host has not taken, in the order it came in: said again to a new host.
  struct Kept {
    std::uint64_t offset;
    Stream stream;
    std::string bytes;
  };
  // The container's last words, said again to a new host.
  struct Last {
    Kind kind;
    std::string payload;
  };

  void handle(const Message& message);
  void greet(const Message& message);
  void start(const Message& message);
  void take_input(const Message& message);
  void take_output_taken(const Message& message);
  void tell_taken(SessionId id, Session& session);
  void keep(std::uint64_t offset, Stream stream, std::string_view bytes);
  void forget_taken();
  void send(Kind kind, SessionId session, std::string_view payload);
  void send_last(Kind kind, std::string payload);
  Session* find(SessionId id);

  MessageReader reader_;
  std::deque<Event> events_;
  std::map<SessionId, Session> sessions_;
  std::deque<Kept> kept_;
  std::deque<Last> last_;
  Outbox out_;
  State state_ = State::starting;
  bool greeted_ = false;
};

}  // namespace krata::channel::zone
