#include "bench/net/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "common/fd.h"

namespace krait::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kUsualTimeoutS = 60;
constexpr std::size_t kMaxErrorBytes = 2000;

common::Result<common::Fd> memory_file(std::string_view text) {
  common::Fd fd(::memfd_create("krait-bench", MFD_CLOEXEC));
  while (fd.valid() && !text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0) {
      return common::Error::from_errno(errno, "write a memory file");
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (!fd.valid() || ::lseek(fd.get(), 0, SEEK_SET) != 0) {
    return common::Error::from_errno(errno, "make a memory file");
  }
  return fd;
}

common::Result<pid_t> spawn(const std::vector<std::string>& argv, int input_fd, int error_fd) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input_fd, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, error_fd, 2);
  std::vector<char*> words;
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return common::Error::from_errno(error, "start " + argv[0]);
  }
  return pid;
}

// True: it ended in time.
bool wait_for_end(pid_t pid, double timeout_s) {
  const common::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd waiting{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(timeout_s * 1000)) == 1;
}

std::string text_of(int fd) {
  std::string text(kMaxErrorBytes, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

}  // namespace

common::Result<Outcome> run(const std::vector<std::string>& argv, std::string_view input, double timeout_s) {
  auto input_file = memory_file(input);
  auto error_file = memory_file("");
  if (!input_file || !error_file) {
    return input_file ? std::move(error_file.error()) : std::move(input_file.error());
  }
  Outcome outcome;
  const auto start = Clock::now();
  KRAIT_TRY(auto pid, spawn(argv, input_file->get(), error_file->get()));
  outcome.timed_out = !wait_for_end(pid, timeout_s);
  if (outcome.timed_out) {
    ::kill(pid, SIGKILL);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (!outcome.timed_out && status != 0) {
    return common::Error(common::ErrorCode::system,
                         fmt::format("{}: status {}: {}", fmt::join(argv, " "), status, text_of(error_file->get())));
  }
  return outcome;
}

common::Result<void> must_run(const std::vector<std::string>& argv, std::string_view input) {
  KRAIT_TRY(auto outcome, run(argv, input, kUsualTimeoutS));
  if (outcome.timed_out) {
    return common::Error(common::ErrorCode::system, fmt::format("{} did not end", fmt::join(argv, " ")));
  }
  return {};
}

}  // namespace krait::bench
