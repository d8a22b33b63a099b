#include "krata/init/session.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace krata::init {

namespace {

constexpr std::size_t kReadBytes = 4096;
constexpr char kEndOfInput = 4;  // what a terminal takes for it: ^D

}  // namespace

Session::Session(common::Loop& loop, channel::zone::ZoneChannel& channel, channel::SessionId id, Spawned process,
                 bool terminal, std::function<void()> moved)
    : loop_(loop),
      channel_(channel),
      id_(id),
      process_(std::move(process)),
      terminal_(terminal),
      moved_(std::move(moved)),
      input_watch_{.fd = &process_.input},
      output_{.stream = channel::Stream::output, .watched = {.fd = &process_.output}},
      error_{.stream = channel::Stream::error, .watched = {.fd = &process_.error}, .ended = terminal} {
  update();
}

Session::~Session() {
  for (const Watched* watched : {&input_watch_, &output_.watched, &error_.watched}) {
    loop_.remove(watched->token);
  }
}

// A descriptor of which nothing is wanted is not in the loop at all: its other end's closing would be told for ever.
void Session::watch(Watched& watched, bool wanted, std::uint32_t events) {
  if (!wanted && watched.token != 0) {
    loop_.remove(watched.token);
    watched.token = 0;
  }
  if (wanted && watched.token == 0) {
    const auto token = loop_.add(watched.fd->get(), events, [moved = moved_](std::uint32_t) { moved(); });
    watched.token = token ? *token : 0;
  }
}

void Session::update() {
  const bool room = channel_.output_room(id_) > 0;
  watch(input_watch_, process_.input.valid() && !input_.empty(), EPOLLOUT);
  watch(output_.watched, !output_.ended && room, EPOLLIN);
  watch(error_.watched, !error_.ended && room, EPOLLIN);
}

void Session::take_input(std::string_view bytes) {
  if (!process_.input.valid()) {
    channel_.input_taken(id_, bytes.size());  // the process reads no more
    return;
  }
  input_ += bytes;
}

void Session::end_input() { input_ended_ = true; }

void Session::resize(bundle::WindowSize size) {
  if (terminal_) {
    set_size(process_.output.get(), size);
  }
}

void Session::signal(int number) {
  if (!exit_) {
    ::kill(process_.pid, number);
    was_killed_ = was_killed_ || number == SIGKILL;
  }
}

void Session::set_exit(const channel::Exit& exit, std::chrono::milliseconds patience) {
  exit_ = exit;
  process_.peer.reset();
  auto timer = common::Timer::create(loop_, [this] {
    impatient_ = true;
    const auto moved = moved_;  // which may be the end of this session
    moved();
  });
  if (!timer) {
    impatient_ = true;
    return;
  }
  patience_ = *std::move(timer);
  patience_.after(patience);
}

void Session::close_input() {
  watch(input_watch_, false, 0);
  process_.input.reset();
  channel_.input_taken(id_, input_.size());
  input_.clear();
}

void Session::write_input() {
  while (process_.input.valid() && !input_.empty()) {
    const ssize_t wrote = ::write(process_.input.get(), input_.data(), input_.size());
    if (wrote < 0 && errno == EINTR) {
      continue;
    }
    if (wrote < 0 && errno == EAGAIN) {
      return;
    }
    if (wrote < 0) {
      close_input();
      return;
    }
    input_.erase(0, static_cast<std::size_t>(wrote));
    channel_.input_taken(id_, static_cast<std::uint64_t>(wrote));
  }
  if (input_ended_ && process_.input.valid()) {
    input_ended_ = false;
    if (terminal_) {
      (void)!::write(process_.input.get(), &kEndOfInput, 1);
    } else {
      close_input();
    }
  }
}

void Session::end(Source& source) {
  watch(source.watched, false, 0);
  source.ended = true;
  channel_.end_output(id_, source.stream);
}

// Gives the channel what there is, as far as it has room. False: nothing more for now.
bool Session::read_some(Source& source) {
  std::array<char, kReadBytes> bytes{};
  const std::size_t room = std::min(bytes.size(), channel_.output_room(id_));
  if (source.ended || room == 0) {
    return false;
  }
  const ssize_t got = ::read(source.watched.fd->get(), bytes.data(), room);
  if (got > 0) {
    channel_.output(id_, source.stream, std::string_view(bytes.data(), static_cast<std::size_t>(got)));
    return true;
  }
  if (got < 0 && errno == EINTR) {
    return true;
  }
  // EIO: a terminal that nobody has open any more.
  if (got == 0 || errno != EAGAIN || impatient_) {
    end(source);
  }
  return false;
}

bool Session::pump() {
  write_input();
  // In turn, so that neither stream holds up the other.
  while (static_cast<int>(read_some(output_)) + static_cast<int>(read_some(error_)) > 0) {
  }
  if (exit_ && output_.ended && error_.ended) {
    channel_.exited(id_, *exit_);
    return true;
  }
  update();
  return false;
}

}  // namespace krata::init
