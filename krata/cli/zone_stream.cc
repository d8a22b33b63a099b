#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/calendar.h"
#include "common/fd.h"
#include "common/file.h"
#include "krata/cli/detach_keys.h"
#include "krata/cli/terminal.h"
#include "krata/cli/zone.h"
#include "krata/console/text.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::object_at;
using common::Result;
using common::text_at;

namespace {

struct LogFlags : ZoneFlags {
  bool follow = false;
  bool kernel = false;
  bool times = false;
  std::optional<std::uint32_t> tail;
};

std::string line_text(const common::Json& line, bool has_time) {
  const std::string text = text_at(line, "text");
  const auto time_us = common::number_at(line, "time_us");
  return has_time ? fmt::format("{}.{:06}Z {} {}", common::utc_text(time_us / 1'000'000, "%Y-%m-%dT%H:%M:%S"),
                                time_us % 1'000'000, text_at(line, "stream"), text)
                  : text;
}

Result<void> logs(const LogFlags& flags, Output& output) {
  KRAIT_TRY(auto conversation, control::Conversation::open(flags.socket, {.ask = control::Ask::logs,
                                                                          .zone = flags.zone,
                                                                          .follow = flags.follow,
                                                                          .kernel = flags.kernel,
                                                                          .tail = flags.tail}));
  for (;;) {
    KRAIT_TRY(const auto json, conversation.next());
    if (!json) {
      return cut_off("the zone");
    }
    if (json->contains("over")) {
      return {};
    }
    output.report(line_text(*json, flags.times), *json);
    if (flags.follow && !output.finish()) {
      return {};
    }
  }
}

// What a container's own terminal says goes to ours as it is: whoever asked for one wants that. Everything else that
// would go to a terminal is made safe.
std::string for_output(const std::string& bytes, int fd, bool has_terminal) {
  if (has_terminal || ::isatty(fd) != 1) {
    return bytes;
  }
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at);
    text += console::safe_text(std::string_view(bytes).substr(at, end - at));
    text += end == std::string::npos ? "" : "\n";
    at = end == std::string::npos ? bytes.size() : end + 1;
  }
  return text;
}

// Bytes both ways between this process's input, output and signals, and a conversation. With a terminal Ctrl-P Ctrl-Q
// leaves the container alone; so does the third signal in a row of which nothing is heard, for a container that does
// not run yet, or hangs, can end nobody who waits for it.
class Session {
  static constexpr int kMaxSignalsUnheard = 3;

 public:
  Session(control::Conversation& conversation, bool has_terminal, Output& output)
      : conversation_(conversation), has_terminal_(has_terminal), output_(output) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
      ::sigaddset(&set, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  Result<void> run() {
    KRAIT_CHECK(send_size());
    while (!is_over_) {
      std::array<pollfd, 3> waiting{{{.fd = conversation_.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                     {.fd = has_input_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
        return Error::from_errno(errno, "wait for input");
      }
      if (waiting[1].revents != 0) {
        KRAIT_CHECK(take_signals());
      }
      if (waiting[2].revents != 0) {
        KRAIT_CHECK(take_input());
      }
      if (waiting[0].revents != 0) {
        KRAIT_CHECK(take_output());
      }
    }
    return {};
  }

 private:
  Result<void> send_size() {
    const control::WindowSize size = window_size();
    return has_terminal_ && size.rows > 0 ? conversation_.send(control::input_json({.size = size})) : Result<void>();
  }

  Result<void> take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo == SIGWINCH) {
        KRAIT_CHECK(send_size());
        continue;
      }
      if (++signals_unheard_ == kMaxSignalsUnheard) {
        output_.exit_with(128 + static_cast<int>(info.ssi_signo));
        is_over_ = true;
        return Error(ErrorCode::unavailable, "the container does not answer; it goes on, and krata zone stop ends it");
      }
      KRAIT_CHECK(conversation_.send(control::input_json({.signal = info.ssi_signo})));
    }
    return {};
  }

  Result<void> take_input() {
    std::array<char, control::kMaxInputBytes> bytes;
    const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
      return {};
    }
    if (got <= 0) {
      has_input_ = false;
      return conversation_.send(control::input_json({.is_end = true}));
    }
    std::string text(bytes.data(), static_cast<std::size_t>(got));
    if (has_terminal_) {
      auto typed = detach_keys_.take(text);
      is_over_ = typed.detaches;
      text = std::move(typed.text);
    }
    return text.empty() ? Result<void>() : conversation_.send(control::input_json({.bytes = std::move(text)}));
  }

  Result<void> take_output() {
    for (;;) {
      bool is_closed = false;
      KRAIT_TRY(const auto json, conversation_.poll(is_closed));
      if (is_closed) {
        return cut_off("the zone");
      }
      if (!json) {
        return {};
      }
      signals_unheard_ = 0;
      if (const auto output = control::output_of(*json)) {
        const int fd = output->first == console::Stream::error ? STDERR_FILENO : STDOUT_FILENO;
        KRAIT_CHECK(common::write_all(fd, for_output(output->second, fd, has_terminal_), "the output"));
      } else if (const common::Json& end = object_at(*json, "end"); !end.empty()) {
        output_.exit_with(code_of_end(end));
        if (text_at(end, "reason") == "not_started") {
          // No failure of this program: its exit code is the command's, as a shell has it.
          KRAIT_CHECK(common::write_all(STDERR_FILENO, "krata: " + end_text(end) + "\n", "why"));
        }
        is_over_ = true;
        return {};
      }
    }
  }

  control::Conversation& conversation_;
  bool has_terminal_;
  Output& output_;
  common::Fd signals_;
  DetachKeys detach_keys_;
  bool has_input_ = true;
  bool is_over_ = false;
  int signals_unheard_ = 0;  // handed on since the container was last heard
};

Result<void> converse(const std::string& socket, const control::Request& request, bool has_terminal, Output& output) {
  KRAIT_TRY(auto conversation, control::Conversation::open(socket, request));
  std::optional<RawTerminal> raw;
  if (has_terminal) {
    raw.emplace();
  }
  return Session(conversation, has_terminal, output).run();
}

struct ExecFlags : ZoneFlags {
  control::ExecSpec spec;
};

Result<void> exec(const ExecFlags& flags, Output& output) {
  control::Request request{.ask = control::Ask::exec, .zone = flags.zone, .exec = flags.spec};
  request.exec->size = window_size();
  if (request.exec->command.empty()) {
    return Error(ErrorCode::invalid_input, "say which command to run; see krata zone exec --help");
  }
  return converse(flags.socket, request, flags.spec.tty, output);
}

}  // namespace

Result<void> attach_to(const std::string& socket, const std::string& zone, bool has_terminal, Output& output) {
  return converse(socket, {.ask = control::Ask::attach, .zone = zone}, has_terminal, output);
}

void add_zone_stream(Shell& shell, Command group) {
  auto logged = std::make_shared<LogFlags>();
  Command command = shell.command(group, "logs", "Show what a zone's container has written",
                                  "The last 4 to 8 MB of it. Control characters are shown, not sent to the terminal.\n"
                                  "Example:  krata zone logs --follow --tail 20 web");
  add_zone_argument(command, *logged);
  command.flag("--follow", logged->follow, "Go on with what comes, until the container ends");
  command.flag("--kernel", logged->kernel, "What the zone's kernel says instead");
  command.flag("--times", logged->times, "Say when each line came, and on which stream");
  command.option("--tail", logged->tail, "Only the last so many lines of what is there");
  add_socket_flag(command, *logged);
  shell.on(command, [logged](Output& output) { return logs(*logged, output); });

  auto attached = std::make_shared<ZoneFlags>();
  command =
      shell.command(group, "attach", "Pass input and output of a zone's container on",
                    "Exits with the container's code. Signals are passed on; with a terminal, Ctrl-P Ctrl-Q leaves.\n"
                    "Example:  krata zone attach web");
  add_zone_argument(command, *attached);
  add_socket_flag(command, *attached);
  shell.on(command, [attached](Output& output) -> Result<void> {
    KRAIT_TRY(const auto answer, control::ask(attached->socket, {.ask = control::Ask::zone, .zone = attached->zone}));
    const bool has_terminal = object_at(object_at(answer, "zone"), "spec").value("tty", false);
    return attach_to(attached->socket, attached->zone, has_terminal, output);
  });

  auto executed = std::make_shared<ExecFlags>();
  command = shell.command(group, "exec", "Run one more command in a zone's container",
                          "Options come before ZONE; all behind it is the command. Exits with its code.\n"
                          "Example:  krata zone exec --tty web sh\n"
                          "Example:  krata zone exec web tar -C /srv -x < files.tar");
  add_zone_argument(command, *executed);
  command.rest("COMMAND", executed->spec.command, "What to run");
  command.flag("--tty", executed->spec.tty, "Give it a terminal");
  command.repeated("--env", executed->spec.env, "A further variable of its environment, NAME=VALUE");
  command.option("--workdir", executed->spec.workdir, "Where it is run");
  command.option("--user", executed->spec.user, "Who runs it, USER[:GROUP]; otherwise who runs the container");
  add_socket_flag(command, *executed);
  shell.on(command, [executed](Output& output) { return exec(*executed, output); });
}

}  // namespace krata::cli
