#include "krata/daemon/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (std::string& word : words) {
    list.push_back(word.data());
  }
  list.push_back(nullptr);
  return list;
}

// Only what a child between fork and exec may call.
[[noreturn]] void become(char* const* words, int output, int errors) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(nothing, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(errors, 2) == 2) {
    ::execv(words[0], words);
  }
  ::_exit(127);
}

Result<std::pair<Fd, Fd>> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

bool write_number(int file, pid_t number) {
  std::array<char, 16> text{};
  std::size_t at = text.size();
  for (auto left = static_cast<unsigned>(number); left > 0; left /= 10) {
    text.at(--at) = static_cast<char>('0' + left % 10);
  }
  return ::ftruncate(file, 0) == 0 && ::pwrite(file, text.data() + at, text.size() - at, 0) > 0;
}

int exit_code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

Result<std::unique_ptr<Child>> Child::start(common::Loop& loop, const std::vector<std::string>& words,
                                            std::function<void(const ChildEnd&)> ended) {
  std::vector<std::string> own = words;
  const std::vector<char*> list = pointers(own);
  KRAIT_TRY(auto output, make_pipe());
  KRAIT_TRY(auto errors, make_pipe());
  std::unique_ptr<Child> child(new Child(loop, std::move(ended)));
  child->pid_ = ::fork();
  if (child->pid_ < 0) {
    return Error::from_errno(errno, "start " + words.front());
  }
  if (child->pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would take its answer
    become(list.data(), output.second.get(), errors.second.get());
  }
  child->output_.fd = std::move(output.first);
  child->errors_.fd = std::move(errors.first);
  KRAIT_CHECK(child->watch(child->output_, child->end_.output, kMaxChildOutput, true));
  KRAIT_CHECK(child->watch(child->errors_, child->end_.errors, kMaxChildErrors, false));
  return child;
}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close(output_);
  close(errors_);
}

Result<void> Child::watch(Pipe& pipe, std::string& into, std::size_t max_bytes, bool is_ended_beyond) {
  ::fcntl(pipe.fd.get(), F_SETFL, O_NONBLOCK);
  KRAIT_TRY(pipe.token,
            loop_.add(pipe.fd.get(), EPOLLIN, [this, &pipe, &into, max_bytes, is_ended_beyond](std::uint32_t) {
              std::array<char, 16384> chunk;
              const ssize_t got = ::read(pipe.fd.get(), chunk.data(), chunk.size());
              if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
                return;
              }
              if (got <= 0) {
                close(pipe);
                return finish_if_over();
              }
              const std::size_t room = max_bytes - into.size();
              if (static_cast<std::size_t>(got) > room && is_ended_beyond) {
                ::kill(pid_, SIGKILL);
              }
              into.append(chunk.data(), std::min(room, static_cast<std::size_t>(got)));
            }));
  return {};
}

void Child::close(Pipe& pipe) {
  if (pipe.token != 0) {
    loop_.remove(std::exchange(pipe.token, 0));
  }
  pipe.fd.reset();
}

// Its pipes end with it; what it left behind that holds them is ended too when nobody waits any more.
void Child::finish_if_over() {
  if (output_.fd.valid() || errors_.fd.valid()) {
    return;
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  end_.exit_code = exit_code_of(status);
  const auto ended = std::move(ended_);
  const ChildEnd end = std::move(end_);
  ended(end);
}

Result<void> start_detached(const std::vector<std::string>& words, const std::string& log_path,
                            const std::string& lock_path) {
  std::vector<std::string> own = words;
  const std::vector<char*> list = pointers(own);
  const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? Error(ErrorCode::unavailable, words.front() + " runs already")
                                : Error::from_errno(errno, "lock " + lock_path);
  }
  // Only now: it is emptied, and until here it may have been another one's.
  const Fd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log.valid()) {
    return Error::from_errno(errno, "open " + log_path);
  }
  const pid_t between = ::fork();
  if (between < 0) {
    return Error::from_errno(errno, "start " + words.front());
  }
  if (between == 0) {
    ::setsid();
    const pid_t program = ::fork();
    if (program == 0) {
      ::fcntl(lock.get(), F_SETFD, 0);
      become(list.data(), log.get(), log.get());
    }
    ::_exit(program < 0 || !write_number(lock.get(), program) ? 1 : 0);
  }
  int status = 0;
  while (::waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? Result<void>()
                     : Error(ErrorCode::system, "start " + words.front() + ": no process is to be had");
}

}  // namespace krata::daemon
