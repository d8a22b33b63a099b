#include "krait/cli/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "common/event/lock_file.h"
#include "common/event/notify.h"
#include "common/fd.h"
#include "common/program.h"
#include "krait/cli/notice.h"
#include "krait/rundir/folder.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

// The two ends of what the agent's notices go through. No path and no abstract name leads to it, so nobody else can
// fill it, and it ends with the agent.
struct Notices {
  Fd ours;
  Fd agents;
};

Result<Notices> open_notices() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socket for the agent's notices");
  }
  Notices notices{Fd(ends[0]), Fd(ends[1])};
  // Beyond the three that the agent gets anew.
  notices.agents.reset(::fcntl(ends[1], F_DUPFD_CLOEXEC, 3));
  if (!notices.agents.valid()) {
    return Error::from_errno(errno, "make a socket for the agent's notices");
  }
  return notices;
}

// Nothing but a file of this process's user that has one name: in a folder where others make files too, it may be a
// pipe that nobody reads or another name of something else.
Result<Fd> open_log(const std::string& path) {
  KRAIT_CHECK(common::make_own_directory_of(path, rundir::folder_hint(path)));
  Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640));
  struct stat status{};
  if (!log.valid() || ::fstat(log.get(), &status) != 0) {
    return Error::from_errno(errno, "open " + path);
  }
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || status.st_nlink != 1) {
    return Error(ErrorCode::permission, fmt::format("{0} is not a plain file of this user's; rm {0}", path));
  }
  if (::ftruncate(log.get(), 0) != 0) {
    return Error::from_errno(errno, "empty " + path);
  }
  return log;
}

// The caller's shell may hold secrets in its environment, and the agent lives for long.
bool is_for_agent(std::string_view variable) {
  return (variable.starts_with("KRAIT_") && !variable.starts_with(common::kNoticeVariable)) ||
         variable.starts_with("PATH=") || variable.starts_with("TZ=");
}

struct Inherited {
  int null;
  int log;
  int notices;  // keeps its number
};

// In the child: only async-signal-safe calls up to exec.
[[noreturn]] void become_agent(const std::vector<const char*>& arguments, const std::vector<const char*>& environment,
                               const Inherited& inherited) {
  ::setsid();
  const bool ready = ::dup2(inherited.null, 0) >= 0 && ::dup2(inherited.log, 1) >= 0 && ::dup2(inherited.log, 2) >= 0 &&
                     ::fcntl(inherited.notices, F_SETFD, 0) == 0 && ::chdir("/") == 0;
  if (ready) {
    ::execve(arguments[0], const_cast<char**>(arguments.data()), const_cast<char**>(environment.data()));
  }
  ::_exit(127);
}

struct Child {
  pid_t pid = 0;
  Fd pidfd;
};

Result<Child> start(const Spawn& spawn, const Fd& notices) {
  auto log = open_log(spawn.log);
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!log || !null.valid()) {
    return !log ? log.error() : Error::from_errno(errno, "open /dev/null");
  }
  const std::string notice = fmt::format("{}={}", common::kNoticeVariable, notices.get());
  std::vector<const char*> environment{notice.c_str()};
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    if (is_for_agent(*variable)) {
      environment.push_back(*variable);
    }
  }
  environment.push_back(nullptr);
  const std::vector<const char*> arguments{spawn.agent.c_str(), "--config",           spawn.config.c_str(),
                                           "--socket",          spawn.socket.c_str(), nullptr};
  Child child;
  child.pid = ::fork();
  if (child.pid < 0) {
    return Error::from_errno(errno, "start a process");
  }
  if (child.pid == 0) {
    become_agent(arguments, environment, {.null = null.get(), .log = log->get(), .notices = notices.get()});
  }
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd.valid()) {
    return Error::from_errno(errno, "watch the agent");
  }
  return child;
}

// Takes what the agent has said so far. False: it can say no more.
bool read_notices(int fd, Notice& said) {
  std::array<char, 8192> text{};
  for (;;) {
    const ssize_t got = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    if (got <= 0) {
      return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    said = parse_notice({text.data(), static_cast<std::size_t>(got)});
    if (said.ready) {
      return true;
    }
  }
}

Error ended(const Child& child, const Notice& said, const std::string& log) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  const std::string why = said.status.empty() ? "it ended; see " + log : said.status;
  const bool wrong_use = WIFEXITED(status) && WEXITSTATUS(status) == 1;
  return {wrong_use ? ErrorCode::invalid_input : ErrorCode::system, "krait-agent: " + why};
}

// What it has put into the kernel by then stays, as with any agent that ends.
Error gave_up(const Child& child, const Spawn& spawn) {
  ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
  return {ErrorCode::system, fmt::format("krait-agent: it had not put the policy in force after {} s, and was ended; "
                                         "see {}, or follow its start by hand: krait-agent --config {}",
                                         spawn.patience_ms / 1000, spawn.log, spawn.config)};
}

using Clock = std::chrono::steady_clock;

int left_ms(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

}  // namespace

Result<std::string> find_agent() {
  std::string here = common::own_folder() + "/krait-agent";
  if (is_program(here)) {
    return here;
  }
  const char* variable = std::getenv("PATH");
  std::string_view path = variable != nullptr ? variable : "";
  while (!path.empty()) {
    const std::string_view directory = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), directory.size() + 1));
    std::string program = fmt::format("{}/krait-agent", directory);
    if (!directory.empty() && is_program(program)) {
      return program;
    }
  }
  return Error(ErrorCode::not_found, "krait-agent is neither beside krait nor in PATH; install it");
}

Result<void> spawn_agent(const Spawn& spawn) {
  KRAIT_TRY(auto notices, open_notices());
  KRAIT_TRY(auto child, start(spawn, notices.agents));
  notices.agents.reset();
  const auto deadline = Clock::now() + std::chrono::milliseconds(spawn.patience_ms);
  Notice said;
  for (;;) {
    std::array<pollfd, 2> waiting{{{notices.ours.get(), POLLIN, 0}, {child.pidfd.get(), POLLIN, 0}}};
    const int come = ::poll(waiting.data(), waiting.size(), left_ms(deadline));
    if (come < 0 && errno != EINTR) {
      return Error::from_errno(errno, "wait for the agent");
    }
    if (notices.ours.valid() && !read_notices(notices.ours.get(), said)) {
      notices.ours.reset();
    }
    if (said.ready) {
      return {};
    }
    if (come > 0 && waiting[1].revents != 0) {
      return ended(child, said, spawn.log);
    }
    if (come == 0) {
      return gave_up(child, spawn);
    }
  }
}

}  // namespace krait::cli
