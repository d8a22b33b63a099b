#include "common/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace common {

Result<int> run_program(const std::vector<std::string>& words) {
  std::vector<std::string> own = words;
  std::vector<char*> arguments;
  arguments.reserve(own.size() + 1);
  for (std::string& word : own) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Error::from_errno(failed, "start " + words.front());
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      return Error::from_errno(errno, "wait for " + words.front());
    }
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string own_folder() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string own(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return own.substr(0, own.rfind('/'));
}

Error become_program(const std::string& program, const std::string& suite, const char* const* argv) {
  const std::string folder = own_folder();
  for (const std::string& place : {"/" + program, "/../libexec/" + suite + "/" + program}) {
    const std::string path = folder + place;
    ::execv(path.c_str(), const_cast<char* const*>(argv));
    if (errno != ENOENT) {
      return Error::from_errno(errno, "start " + program);
    }
  }
  return {ErrorCode::not_found,
          program + " is neither beside " + suite + " nor in ../libexec/" + suite + "; install it"};
}

}  // namespace common
