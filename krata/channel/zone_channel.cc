#include "krata/channel/zone_channel.h"

#include <algorithm>
#include <utility>

namespace krata::channel::zone {

namespace {

// Of what waits to be sent: beyond it processes wait with their output.
constexpr std::size_t kMaxWaitingBytes = std::size_t{32} << 10U;
constexpr std::size_t kMaxRefusalBytes = 1024;

std::string write_refusal(NotStarted code, std::string_view why) {
  return std::string(1, static_cast<char>(code)).append(why.substr(0, kMaxRefusalBytes));
}

}  // namespace

ZoneChannel::ZoneChannel() : out_(kMaxWaitingBytes) {
  sessions_.emplace(kContainer, Session{});
  append_break(out_.end());
  append_message(out_.end(), Kind::ready, kContainer, {});
}

void ZoneChannel::feed(std::string_view bytes) {
  reader_.feed(bytes);
  while (const auto message = reader_.next()) {
    handle(*message);
  }
}

std::optional<Event> ZoneChannel::next_event() {
  if (events_.empty()) {
    return std::nullopt;
  }
  std::optional<Event> event(std::move(events_.front()));
  events_.pop_front();
  return event;
}

std::string_view ZoneChannel::to_send() const { return out_.waiting(); }

void ZoneChannel::sent(std::size_t bytes) {
  out_.sent(bytes);
  for (auto& [id, session] : sessions_) {
    tell_taken(id, session);
  }
}

// One number stands for all before it, so that a host that is slow to read does not make them pile up.
void ZoneChannel::tell_taken(SessionId id, Session& session) {
  if (session.owes_taken && out_.room() > 0) {
    session.owes_taken = false;
    send(Kind::input_taken, id, write_offset(session.input_taken));
  }
}

// Before a host has spoken nobody listens; it is told all of the container then.
void ZoneChannel::send(Kind kind, SessionId session, std::string_view payload) {
  if (greeted_) {
    append_message(out_.end(), kind, session, payload);
  }
}

void ZoneChannel::send_last(Kind kind, std::string payload) {
  send(kind, kContainer, payload);
  last_.push_back({.kind = kind, .payload = std::move(payload)});
}

ZoneChannel::Session* ZoneChannel::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

void ZoneChannel::handle(const Message& message) {
  if (message.kind == Kind::hello) {
    greet(message);
    return;
  }
  if (!greeted_) {
    return;
  }
  if (message.kind == Kind::start) {
    start(message);
    return;
  }
  // A session that has just ended may still be spoken to: the host did not know.
  if (find(message.session) == nullptr) {
    return;
  }
  switch (message.kind) {
    case Kind::output_taken:
      take_output_taken(message);
      return;
    case Kind::input:
      take_input(message);
      return;
    case Kind::input_ended:
      events_.emplace_back(InputEnded{.session = message.session});
      return;
    case Kind::resize:
      if (const auto size = read_size(message.payload)) {
        events_.emplace_back(Resize{.session = message.session, .size = *size});
      }
      return;
    case Kind::signal:
      if (const auto number = read_signal(message.payload)) {
        events_.emplace_back(Signal{.session = message.session, .number = *number});
      }
      return;
    case Kind::stop:
      events_.emplace_back(Stop{});
      return;
    case Kind::exit_taken:
      events_.emplace_back(ExitTaken{});
      return;
    default:
      return;
  }
}

void ZoneChannel::greet(const Message& message) {
  const auto hello = read_hello(message.payload);
  if (!hello) {
    return;
  }
  greeted_ = true;
  out_.clear();  // it was meant for somebody else, and what matters of it comes again
  append_break(out_.end());
  std::erase_if(sessions_, [](const auto& entry) { return entry.first != kContainer; });
  Session& container = sessions_.at(kContainer);
  container.output_taken = std::clamp(hello->output_taken, container.output_taken, container.output_sent);
  forget_taken();
  const std::uint64_t from = kept_.empty() ? container.output_sent : kept_.front().offset;
  send(Kind::hello, kContainer,
       write_hello_answer({.epoch = hello->epoch,
                           .state = state_,
                           .output_from = from,
                           .input_received = container.input_received,
                           .input_taken = container.input_taken}));
  for (const Kept& kept : kept_) {
    send(Kind::output, kContainer, write_output({.offset = kept.offset, .stream = kept.stream, .bytes = kept.bytes}));
  }
  for (const Last& last : last_) {
    send(last.kind, kContainer, last.payload);
  }
  events_.emplace_back(NewHost{});
}

void ZoneChannel::start(const Message& message) {
  if (find(message.session) != nullptr) {
    return;
  }
  auto process = bundle::read_process(message.payload);
  if (!process || sessions_.size() >= kMaxSessions) {
    send(Kind::refused, message.session,
         write_refusal(NotStarted::cannot_run, process ? "too many sessions" : process.error().text()));
    return;
  }
  sessions_.emplace(message.session, Session{});
  events_.emplace_back(Start{.session = message.session, .process = *std::move(process)});
}

void ZoneChannel::take_input(const Message& message) {
  Session& session = *find(message.session);
  const auto piece = read_input(message.payload);
  if (!piece || piece->offset != session.input_received ||
      session.input_received + piece->bytes.size() - session.input_taken > kWindowBytes) {
    return;
  }
  session.input_received += piece->bytes.size();
  events_.emplace_back(Input{.session = message.session, .bytes = std::string(piece->bytes)});
}

void ZoneChannel::take_output_taken(const Message& message) {
  Session& session = *find(message.session);
  const auto taken = read_offset(message.payload);
  if (taken && *taken > session.output_taken && *taken <= session.output_sent) {
    session.output_taken = *taken;
    forget_taken();
  }
}

void ZoneChannel::forget_taken() {
  const std::uint64_t taken = sessions_.at(kContainer).output_taken;
  while (!kept_.empty() && kept_.front().offset < taken) {
    Kept& first = kept_.front();
    const std::uint64_t done = std::min<std::uint64_t>(taken - first.offset, first.bytes.size());
    if (done == first.bytes.size()) {
      kept_.pop_front();
      continue;
    }
    first.bytes.erase(0, done);
    first.offset += done;
  }
}

void ZoneChannel::started(SessionId session) {
  if (session == kContainer) {
    state_ = State::running;
  }
  send(Kind::started, session, {});
}

void ZoneChannel::refused(SessionId session, NotStarted code, std::string_view why) {
  std::string payload = write_refusal(code, why);
  if (session == kContainer) {
    send_last(Kind::refused, std::move(payload));
    return;
  }
  send(Kind::refused, session, payload);
  sessions_.erase(session);
}

std::size_t ZoneChannel::output_room(SessionId id) const {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return 0;
  }
  const std::uint64_t window = kWindowBytes - (found->second.output_sent - found->second.output_taken);
  return std::min<std::size_t>(window, out_.room());
}

void ZoneChannel::output(SessionId id, Stream stream, std::string_view bytes) {
  Session* const session = find(id);
  while (session != nullptr && !bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kMaxPieceBytes);
    send(Kind::output, id, write_output({.offset = session->output_sent, .stream = stream, .bytes = piece}));
    if (id == kContainer) {
      keep(session->output_sent, stream, piece);
    }
    session->output_sent += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

// Small pieces become larger ones, so that what is kept costs little more than its bytes.
void ZoneChannel::keep(std::uint64_t offset, Stream stream, std::string_view bytes) {
  if (!kept_.empty() && kept_.back().stream == stream && kept_.back().bytes.size() + bytes.size() <= kMaxPieceBytes) {
    kept_.back().bytes += bytes;
    return;
  }
  kept_.push_back({.offset = offset, .stream = stream, .bytes = std::string(bytes)});
}

void ZoneChannel::end_output(SessionId session, Stream stream) {
  if (session == kContainer) {
    send_last(Kind::output_ended, write_stream(stream));
  } else if (find(session) != nullptr) {
    send(Kind::output_ended, session, write_stream(stream));
  }
}

void ZoneChannel::input_taken(SessionId id, std::uint64_t bytes) {
  if (Session* const session = find(id)) {
    session->input_taken += std::min(bytes, session->input_received - session->input_taken);
    session->owes_taken = true;
    tell_taken(id, *session);
  }
}

void ZoneChannel::exited(SessionId session, const Exit& exit) {
  if (session == kContainer) {
    state_ = State::ended;
    send_last(Kind::exited, write_exit(exit));
    return;
  }
  if (find(session) != nullptr) {
    send(Kind::exited, session, write_exit(exit));
    sessions_.erase(session);
  }
}

}  // namespace krata::channel::zone
