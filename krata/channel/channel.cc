#include "krata/channel/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace krata::channel {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Of what waits to be sent: beyond it no input is taken. What else is said is small and bounded by who says it.
constexpr std::size_t kMaxWaitingBytes = std::size_t{128} << 10U;
constexpr std::size_t kMaxOrderBytes = std::size_t{16}
                                       << 10U;  // of signals and sizes, behind as much input as may wait

// What a zone says of why something failed may be meant for a terminal.
std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxWhyBytes));
  std::ranges::replace_if(result, [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

// The code, one byte, and why.
Refused refusal(SessionId id, std::string_view payload) {
  const bool cannot_run = payload.starts_with(static_cast<char>(NotStarted::cannot_run));
  payload.remove_prefix(std::min<std::size_t>(payload.size(), 1));
  return {
      .session = id, .why = printable(payload), .code = cannot_run ? NotStarted::cannot_run : NotStarted::not_there};
}

}  // namespace

Channel::Channel(std::uint64_t output_taken, std::uint64_t epoch)
    : out_(kMaxWaitingBytes), epoch_(epoch), container_taken_(output_taken) {
  append_break(out_.end());
  say_hello();
}

void Channel::say_hello() {
  send(Kind::hello, kContainer, write_hello({.epoch = epoch_, .output_taken = container_taken_}));
}

// The zone has only now set up its terminal, which may have changed or echoed what it got before. An answer to the
// former greeting would be one too many.
void Channel::say_hello_again() {
  if (greeted_ || out_.waiting().size() > kMaxWaitingBytes) {
    fault("a zone that begins once more");
    return;
  }
  ++epoch_;
  say_hello();
}

void Channel::feed(std::string_view bytes) {
  reader_.feed(bytes);
  while (const auto message = reader_.next()) {
    handle(*message);
  }
}

std::optional<Event> Channel::next_event() {
  if (events_.empty()) {
    return std::nullopt;
  }
  std::optional<Event> event(std::move(events_.front()));
  events_.pop_front();
  return event;
}

std::string_view Channel::to_send() const { return out_.waiting(); }

void Channel::sent(std::size_t bytes) {
  out_.sent(bytes);
  for (auto& [id, session] : sessions_) {
    tell_taken(id, session);
    tell_of_room(id, session);
  }
}

// A zone that writes and never reads would make this pile up: it is told once there is room.
void Channel::tell_taken(SessionId id, Session& session) {
  if (session.owes_taken && out_.room() > 0) {
    session.owes_taken = false;
    send(Kind::output_taken, id, write_offset(session.output_taken));
  }
}

void Channel::tell_of_room(SessionId id, Session& session) {
  if (session.told_no_room && input_room(id) > 0) {
    session.told_no_room = false;
    events_.emplace_back(InputRoom{.session = id});
  }
}

void Channel::send(Kind kind, SessionId session, std::string_view payload) {
  append_message(out_.end(), kind, session, payload);
}

Channel::Session* Channel::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

void Channel::fault(std::string_view what) {
  if (faults_++ == 0) {
    events_.emplace_back(Fault{.what = std::string(what)});
  }
}

void Channel::handle(const Message& message) {
  if (message.kind == Kind::hello) {
    greet(message);
    return;
  }
  if (message.kind == Kind::ready) {
    say_hello_again();
    return;
  }
  if (!greeted_) {
    return;  // an answer to who spoke for the host before
  }
  Session* const session = find(message.session);
  if (session == nullptr || session->over) {
    fault("a message of a session that is not open");
    return;
  }
  handle_of(message.session, *session, message);
}

void Channel::greet(const Message& message) {
  const auto answer = read_hello_answer(message.payload);
  if (!answer) {
    fault("a malformed greeting");
    return;
  }
  if (answer->epoch != epoch_) {
    return;
  }
  if (greeted_) {
    fault("a second greeting");
    return;
  }
  if (answer->version != kVersion) {
    fault("a greeting of another version");
    return;
  }
  greeted_ = true;
  state_ = answer->state;
  // A gap to what was taken is output that the zone has let go of; it is the owner's to see, by the offsets.
  const std::uint64_t from = std::max(answer->output_from, container_taken_);
  sessions_.emplace(kContainer, Session{.output_received = from,
                                        .output_taken = from,
                                        .input_sent = answer->input_received,
                                        .input_taken = answer->input_taken,
                                        .started = state_ != State::starting});
  container_taken_ = from;
  events_.emplace_back(Greeted{.state = state_});
}

void Channel::handle_of(SessionId id, Session& session, const Message& message) {
  switch (message.kind) {
    case Kind::started:
      if (session.started || !message.payload.empty()) {
        return fault("a session was started twice");
      }
      session.started = true;
      if (id == kContainer) {
        state_ = State::running;
      }
      events_.emplace_back(Started{.session = id});
      return;
    case Kind::refused:
      if (session.started) {
        return fault("a session was refused that runs");
      }
      return end(id, refusal(id, message.payload));
    case Kind::output:
      return take_output(id, session, message);
    case Kind::output_ended:
      if (const auto stream = read_stream(message.payload)) {
        events_.emplace_back(OutputEnded{.session = id, .stream = *stream});
        return;
      }
      return fault("a malformed end of output");
    case Kind::input_taken:
      return take_input_taken(id, session, message);
    case Kind::exited:
      if (const auto exit = read_exit(message.payload); exit && session.started) {
        return end(id, Exited{.session = id, .exit = *exit});
      }
      return fault("a malformed end of a process");
    default:
      return fault("a message of an unknown kind");
  }
}

void Channel::take_output(SessionId id, Session& session, const Message& message) {
  const auto piece = read_output(message.payload);
  if (!piece || !session.started || piece->offset != session.output_received) {
    return fault("output that is malformed or out of order");
  }
  if (session.output_received + piece->bytes.size() - session.output_taken > kWindowBytes) {
    return fault("more output than there is room for");
  }
  session.output_received += piece->bytes.size();
  events_.emplace_back(
      Output{.session = id, .stream = piece->stream, .offset = piece->offset, .bytes = std::string(piece->bytes)});
}

void Channel::take_input_taken(SessionId id, Session& session, const Message& message) {
  const auto taken = read_offset(message.payload);
  if (!taken || *taken < session.input_taken || *taken > session.input_sent) {
    return fault("input was taken that was not sent");
  }
  session.input_taken = *taken;
  tell_of_room(id, session);
}

void Channel::end(SessionId id, Event event) {
  events_.push_back(std::move(event));
  if (id != kContainer) {
    sessions_.erase(id);
    return;
  }
  state_ = State::ended;
  sessions_.at(id).over = true;
}

Result<SessionId> Channel::start(const bundle::Process& process) {
  if (!greeted_ || state_ != State::running) {
    return Error(ErrorCode::unavailable,
                 state_ == State::ended ? "the container has ended" : "the container does not run yet");
  }
  if (sessions_.size() >= kMaxSessions) {
    return Error(ErrorCode::limit,
                 fmt::format("{} processes run in the zone by exec; end one first", kMaxSessions - 1));
  }
  KRAIT_TRY(const auto payload, bundle::write_process(process));
  if (payload.size() > kMaxPayloadBytes) {
    return Error(ErrorCode::limit, fmt::format("arguments and environment take {} bytes; {} is the most",
                                               payload.size(), kMaxPayloadBytes));
  }
  const SessionId id = next_session_++;
  sessions_.emplace(id, Session{});
  send(Kind::start, id, payload);
  return id;
}

std::size_t Channel::input_room(SessionId session) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.input_ended || found->second.over) {
    return 0;
  }
  const Session& of = found->second;
  const std::size_t window = kWindowBytes - std::min(kWindowBytes, of.input_sent - of.input_taken);
  return std::min(window, out_.room());
}

std::size_t Channel::input(SessionId id, std::string_view bytes) {
  Session* const session = find(id);
  if (session == nullptr) {
    return 0;
  }
  const std::size_t room = input_room(id);
  session->told_no_room = bytes.size() >= room && !session->input_ended && !session->over;
  bytes = bytes.substr(0, room);
  for (std::string_view left = bytes; !left.empty();) {
    const std::string_view piece = left.substr(0, kMaxPieceBytes);
    send(Kind::input, id, write_input({.offset = session->input_sent, .bytes = piece}));
    session->input_sent += piece.size();
    left.remove_prefix(piece.size());
  }
  return bytes.size();
}

void Channel::end_input(SessionId id) {
  Session* const session = find(id);
  if (session != nullptr && !session->input_ended) {
    session->input_ended = true;
    send(Kind::input_ended, id, {});
  }
}

// For a zone that takes nothing there is an end of them.
bool Channel::has_room_for_orders() const { return out_.waiting().size() < kMaxWaitingBytes + kMaxOrderBytes; }

void Channel::resize(SessionId id, bundle::WindowSize size) {
  if (find(id) != nullptr && has_room_for_orders()) {
    send(Kind::resize, id, write_size(size));
  }
}

void Channel::signal(SessionId id, std::uint32_t number) {
  if (find(id) != nullptr && has_room_for_orders()) {
    send(Kind::signal, id, write_signal(number));
  }
}

void Channel::output_taken(SessionId id, std::uint64_t bytes) {
  Session* const session = find(id);
  if (session == nullptr || bytes == 0) {
    return;
  }
  session->output_taken += std::min(bytes, session->output_received - session->output_taken);
  if (id == kContainer) {
    container_taken_ = session->output_taken;
  }
  session->owes_taken = true;
  tell_taken(id, *session);
}

void Channel::stop() { send(Kind::stop, kContainer, {}); }

void Channel::exit_taken() { send(Kind::exit_taken, kContainer, {}); }

}  // namespace krata::channel
