#include "krait/cli/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "krait/cli/notice.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

// A datagram socket with a name that the kernel chose (unix(7), autobind), as sd_notify(3) wants it.
struct Notices {
  Fd fd;
  std::string name;  // for NOTIFY_SOCKET
};

Result<Notices> open_notices() {
  Notices notices{Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), "@"};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(address);
  if (!notices.fd.valid() ||
      ::bind(notices.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)) != 0 ||
      ::getsockname(notices.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return Error::from_errno(errno, "make a socket for the agent's notices");
  }
  notices.name.append(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
  return notices;
}

Result<Fd> open_log(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash != std::string::npos && slash != 0 && ::mkdir(path.substr(0, slash).c_str(), 0755) != 0 &&
      errno != EEXIST) {
    return Error::from_errno(errno, "make the directory of " + path);
  }
  Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!log.valid()) {
    return Error::from_errno(errno, "open " + path);
  }
  return log;
}

// The caller's shell may hold secrets in its environment, and the agent lives for long.
bool is_for_agent(std::string_view variable) {
  return variable.starts_with("KRAIT_") || variable.starts_with("PATH=") || variable.starts_with("TZ=");
}

// In the child: only async-signal-safe calls up to exec.
[[noreturn]] void become_agent(const std::vector<const char*>& arguments, const std::vector<const char*>& environment,
                               int log, int null) {
  ::setsid();
  const bool ready = ::dup2(null, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0 && ::chdir("/") == 0;
  if (ready) {
    ::execve(arguments[0], const_cast<char**>(arguments.data()), const_cast<char**>(environment.data()));
  }
  ::_exit(127);
}

struct Child {
  pid_t pid = 0;
  Fd pidfd;
};

Result<Child> start(const Spawn& spawn, const std::string& notify_name) {
  auto log = open_log(spawn.log);
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!log || !null.valid()) {
    return !log ? log.error() : Error::from_errno(errno, "open /dev/null");
  }
  const std::string notify = "NOTIFY_SOCKET=" + notify_name;
  std::vector<const char*> environment{notify.c_str()};
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
    become_agent(arguments, environment, log->get(), null.get());
  }
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd.valid()) {
    return Error::from_errno(errno, "watch the agent");
  }
  return child;
}

// One datagram, or empty when there is none of the child's now. Anybody may send to the socket: only the child is
// listened to.
std::string read_datagram(int fd, pid_t child) {
  std::array<char, 8192> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS ||
      reinterpret_cast<const ucred*>(CMSG_DATA(header))->pid != child) {
    return {};
  }
  return {text.data(), static_cast<std::size_t>(got)};
}

Error ended(const Child& child, const Notice& said, const std::string& log) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  const std::string why = said.status.empty() ? "it ended; see " + log : said.status;
  const bool wrong_use = WIFEXITED(status) && WEXITSTATUS(status) == 1;
  return {wrong_use ? ErrorCode::invalid_input : ErrorCode::system, "krait-agent: " + why};
}

}  // namespace

std::string own_directory() {
  std::array<char, 4096> self{};
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  const std::string here(self.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return here.substr(0, here.rfind('/'));
}

Result<std::string> find_agent() {
  std::string here = own_directory() + "/krait-agent";
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
  auto notices = open_notices();
  if (!notices) {
    return notices.error();
  }
  const int yes = 1;
  ::setsockopt(notices->fd.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
  auto child = start(spawn, notices->name);
  if (!child) {
    return child.error();
  }
  Notice said;
  for (;;) {
    std::array<pollfd, 2> waiting{{{notices->fd.get(), POLLIN, 0}, {child->pidfd.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
      return Error::from_errno(errno, "wait for the agent");
    }
    for (std::string text; !(text = read_datagram(notices->fd.get(), child->pid)).empty();) {
      said = parse_notice(text);
      if (said.ready) {
        return {};
      }
    }
    if ((waiting[1].revents & POLLIN) != 0) {
      return ended(*child, said, spawn.log);
    }
  }
}

}  // namespace krait::cli
