#include "krata/init/zone.h"

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <variant>

namespace krata::init {

using channel::Exit;
using channel::kContainer;
using channel::SessionId;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kLinkReadBytes = 4096;
// For output that others than the ended process have open. With the container all others end, which takes a moment.
constexpr std::chrono::milliseconds kContainerPatience{5000};
constexpr std::chrono::milliseconds kExecPatience{200};

template <typename... Calls>
struct Overloaded : Calls... {
  using Calls::operator()...;
};

}  // namespace

Result<std::unique_ptr<Zone>> Zone::create(Fd link, Machine& machine) {
  std::unique_ptr<Zone> zone(new Zone(std::move(link), machine));
  KRAIT_CHECK(zone->watch());
  return zone;
}

Result<void> Zone::watch() {
  KRAIT_TRY(loop_, common::Loop::create());
  // Of what others send to the first process the kernel lets through what it asks for alone (kill(2)). SIGPIPE is its
  // own: a process that reads no more is seen by the error.
  KRAIT_TRY(auto signals, common::Signals::receive(*loop_, {SIGCHLD, SIGPIPE}, [this](int) { turn(); }));
  signals_.emplace(std::move(signals));
  KRAIT_TRY(patience_, common::Timer::create(*loop_, [this] { loop_->stop(); }));
  KRAIT_TRY(link_token_, loop_->add(link_.get(), EPOLLIN, [this](std::uint32_t) { turn(); }));
  if (const int events = machine_.cpu_events(); events >= 0) {
    KRAIT_CHECK(loop_->add(events, EPOLLIN, [this](std::uint32_t) { machine_.use_new_cpus(); }));
  }
  return {};
}

namespace {

channel::NotStarted code_of(const common::Error& error) {
  return error.code() == common::ErrorCode::not_found ? channel::NotStarted::not_there
                                                      : channel::NotStarted::cannot_run;
}

}  // namespace

Result<void> Zone::run(const bundle::Bundle& bundle) {
  hostname_ = bundle.hostname;
  stop_signal_ = static_cast<int>(bundle.stop_signal);
  kills_before_ = machine_.out_of_memory_kills();
  auto process = spawn(bundle.process, hostname_);
  if (!process) {
    return refuse(process.error());
  }
  sessions_.emplace(kContainer, std::make_unique<Session>(*loop_, channel_, kContainer, *std::move(process),
                                                          bundle.process.terminal, [this] { turn(); }));
  channel_.started(kContainer);
  return wait();
}

Result<void> Zone::refuse(const common::Error& why) {
  channel_.refused(kContainer, code_of(why), why.text());
  ended_ = true;
  patience_.after(kHostPatience);
  return wait();
}

Result<void> Zone::wait() {
  turn();
  return loop_->run();
}

// Whatever has happened, all that can go on does.
void Zone::turn() {
  do {
    again_ = read_link();
    reap();
    pump_sessions();
    write_link();
  } while (again_);
}

// False: nothing more for now.
bool Zone::read_link() {
  std::array<char, kLinkReadBytes> bytes{};
  const ssize_t got = ::read(link_.get(), bytes.data(), bytes.size());
  if (got > 0) {
    channel_.feed(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
    while (const auto event = channel_.next_event()) {
      handle(*event);
    }
    return true;
  }
  if ((got == 0 || (errno != EAGAIN && errno != EINTR)) && !link_lost_) {
    // The host has gone for good, or a test has: nobody can be told anything.
    link_lost_ = true;
    loop_->remove(link_token_);
    if (ended_) {
      loop_->stop();
    }
  }
  return false;
}

void Zone::write_link() {
  while (!link_lost_ && !channel_.to_send().empty()) {
    const std::string_view bytes = channel_.to_send();
    const ssize_t wrote = ::write(link_.get(), bytes.data(), bytes.size());
    if (wrote <= 0) {
      break;
    }
    channel_.sent(static_cast<std::size_t>(wrote));
    again_ = true;  // there may be room for more output now
  }
  const bool wants_out = !channel_.to_send().empty();
  if (wants_out != link_wants_out_ && !link_lost_) {
    link_wants_out_ = wants_out;
    (void)loop_->change(link_token_, wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

// What is said of a session that has just ended is let go of: the host did not know.
void Zone::handle(const channel::zone::Event& event) {
  namespace zone = channel::zone;
  std::visit(
      Overloaded{
          [this](const zone::NewHost&) { end_sessions_of_former_host(); },
          [this](const zone::Start& it) { start(it); },
          [this](const zone::Input& it) { take_input(it); },
          [this](const zone::InputEnded& it) { with(it.session, [](Session& session) { session.end_input(); }); },
          [this](const zone::Resize& it) { with(it.session, [&it](Session& session) { session.resize(it.size); }); },
          [this](const zone::Signal& it) {
            with(it.session, [&it](Session& session) { session.signal(static_cast<int>(it.number)); });
          },
          [this](const zone::Stop&) { with(kContainer, [this](Session& session) { session.signal(stop_signal_); }); },
          [this](const zone::ExitTaken&) { leave_if_over(); },
      },
      event);
}

void Zone::take_input(const channel::zone::Input& input) {
  if (Session* const session = find(input.session)) {
    session->take_input(input.bytes);
  } else {
    channel_.input_taken(input.session, input.bytes.size());
  }
}

void Zone::leave_if_over() {
  if (ended_ && sessions_.empty()) {
    loop_->stop();
  }
}

Session* Zone::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Zone::start(const channel::zone::Start& start) {
  if (ended_ || find(kContainer) == nullptr) {
    channel_.refused(start.session, channel::NotStarted::cannot_run, "the container does not run");
    return;
  }
  auto process = spawn(start.process, hostname_);
  if (!process) {
    channel_.refused(start.session, code_of(process.error()), process.error().text());
    return;
  }
  channel_.started(start.session);
  sessions_.emplace(start.session, std::make_unique<Session>(*loop_, channel_, start.session, *std::move(process),
                                                             start.process.terminal, [this] { turn(); }));
}

// All that has ended, orphans too.
void Zone::reap() {
  int status = 0;
  while (true) {
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
      return;
    }
    note_end(pid, status);
  }
}

Exit Zone::exit_of(const Session& session, int status) {
  if (!WIFSIGNALED(status)) {
    return {.reason = Exit::Reason::exited, .number = static_cast<std::uint32_t>(WEXITSTATUS(status))};
  }
  // The kernel counts before it kills, but does not say whom.
  const std::uint64_t kills = machine_.out_of_memory_kills();
  const bool has_starved =
      WTERMSIG(status) == SIGKILL && !session.was_killed() && std::exchange(kills_before_, kills) < kills;
  return {.reason = has_starved ? Exit::Reason::out_of_memory : Exit::Reason::signalled,
          .number = static_cast<std::uint32_t>(WTERMSIG(status))};
}

void Zone::note_end(pid_t pid, int status) {
  for (const auto& [id, session] : sessions_) {
    if (session->pid() != pid) {
      continue;
    }
    const Exit exit = exit_of(*session, status);
    session->set_exit(exit, id == kContainer ? kContainerPatience : kExecPatience);
    if (id == kContainer) {
      end_container();
    }
    return;
  }
}

// Nothing outlives the container. What was written before goes to the host.
void Zone::end_container() {
  ended_ = true;
  machine_.kill_everyone();
  if (link_lost_) {
    loop_->stop();
  }
  patience_.after(kHostPatience);
}

void Zone::end_sessions_of_former_host() {
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if (session->first == kContainer) {
      ++session;
      continue;
    }
    session->second->signal(SIGKILL);
    session = sessions_.erase(session);
  }
}

void Zone::pump_sessions() {
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    session = session->second->pump() ? sessions_.erase(session) : std::next(session);
  }
}

}  // namespace krata::init
