#include "krait/cli/krait_program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <stdexcept>
#include <utility>

#include "common/answer.h"
#include "common/fd.h"
#include "common/file.h"

namespace krait::cli {

using common::Fd;

constexpr std::size_t kMaxOutputBytes = std::size_t{64} << 20U;

control::Json Ran::json() const {
  auto object = common::parse_json_object(out);
  if (!object) {
    throw std::runtime_error("not one JSON object: " + out + err);
  }
  return *std::move(object);
}

std::string text_to_end(int fd) {
  auto text = common::read_to_end(fd, kMaxOutputBytes, "what a program printed");
  if (!text) {
    throw std::runtime_error(text.error().text());
  }
  return *std::move(text);
}

Ran run_program(const std::string& path, std::vector<std::string> arguments, uid_t user) {
  arguments.insert(arguments.begin(), path);
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) {
    words.push_back(argument.data());
  }
  words.push_back(nullptr);
  // Files instead of pipes: the agent that `krait up` leaves behind must not hold an end open.
  const Fd out(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const Fd err(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  // Opened before the user changes: the build may lie in a folder that only its owner may enter.
  const Fd program(::open(path.c_str(), O_PATH | O_CLOEXEC));
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(out.get(), 1);
    ::dup2(err.get(), 2);
    if (user == 0 || ::setuid(user) == 0) {
      ::fexecve(program.get(), words.data(), environ);
    }
    ::_exit(127);
  }
  int status = 0;
  const bool ended = ::waitpid(child, &status, 0) == child && WIFEXITED(status);
  ::lseek(out.get(), 0, SEEK_SET);
  ::lseek(err.get(), 0, SEEK_SET);
  return {ended ? WEXITSTATUS(status) : -1, text_to_end(out.get()), text_to_end(err.get())};
}

Ran krait_program(std::vector<std::string> arguments, uid_t user) {
  return run_program(KRAIT_PROGRAM, std::move(arguments), user);
}

}  // namespace krait::cli
