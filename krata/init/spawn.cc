#include "krata/init/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/file.h"
#include "krata/init/accounts.h"
#include "krata/init/paths.h"

namespace krata::init {

using bundle::Process;
using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr gid_t kTtyGroup = 5;  // as devpts is mounted with

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  return Pipe{.read = Fd(ends[0]), .write = Fd(ends[1])};
}

Result<void> never_block(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0) {
    return Error::from_errno(errno, "set a pipe up");
  }
  return {};
}

// The process's three descriptors, and our ends of them.
struct Ends {
  Spawned ours;
  Fd input;
  Fd output;
  Fd error;
};

// Of the user's, so that it may open /dev/stdout and the like once more.
void give(const Fd& fd, const Account& account) { (void)!::fchown(fd.get(), account.uid, account.gid); }

Result<Ends> make_pipes(const Account& account) {
  KRAIT_TRY(Pipe input, make_pipe());
  KRAIT_TRY(Pipe output, make_pipe());
  KRAIT_TRY(Pipe error, make_pipe());
  for (const Fd* fd : {&input.write, &output.read, &error.read}) {
    KRAIT_CHECK(never_block(*fd));
  }
  for (const Fd* fd : {&input.read, &output.write, &error.write}) {
    give(*fd, account);
  }
  Ends ends;
  ends.ours.input = std::move(input.write);
  ends.ours.output = std::move(output.read);
  ends.ours.error = std::move(error.read);
  ends.input = std::move(input.read);
  ends.output = std::move(output.write);
  ends.error = std::move(error.write);
  return ends;
}

Result<Fd> duplicate(const Fd& fd) {
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) {
    return Error::from_errno(errno, "duplicate a descriptor");
  }
  return copy;
}

Result<Ends> make_terminal(const Process& process, const Account& account) {
  Ends ends;
  ends.ours.output = Fd(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  const int master = ends.ours.output.get();
  const int unlocked = 0;
  if (!ends.ours.output.valid() || ::ioctl(master, TIOCSPTLCK, &unlocked) != 0) {
    return Error::from_errno(errno, "make a terminal");
  }
  ends.input = Fd(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ends.input.valid()) {
    return Error::from_errno(errno, "open the terminal");
  }
  (void)!::fchown(ends.input.get(), account.uid, kTtyGroup);
  set_size(master, process.size);
  KRAIT_TRY(ends.output, duplicate(ends.input));
  KRAIT_TRY(ends.error, duplicate(ends.input));
  KRAIT_TRY(ends.ours.input, duplicate(ends.ours.output));
  KRAIT_TRY(ends.ours.peer, duplicate(ends.input));
  return ends;
}

// A file of the container's that may be anything, or missing: at most so much of it.
std::string read_some(const char* path) {
  const Fd fd(::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status{};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  std::string text(std::min<std::size_t>(kMaxAccountsBytes, static_cast<std::size_t>(status.st_size)), '\0');
  const auto got = common::read_into(fd.get(), text, path);
  text.resize(got ? *got : 0);
  return text;
}

std::optional<std::string_view> value_of(const Process& process, std::string_view name) {
  std::optional<std::string_view> value;
  for (const std::string_view variable : process.environment) {
    if (variable.starts_with(name) && variable.substr(name.size()).starts_with('=')) {
      value = variable.substr(name.size() + 1);
    }
  }
  return value;
}

// Everything that the new process needs, made before it is: behind fork() nothing allocates.
struct Plan {
  std::vector<std::string> environment;
  std::vector<std::string> candidates;  // paths of the program, in the order to try
  std::vector<char*> arguments;
  std::vector<char*> variables;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> candidates_of(const Process& process) {
  const std::string& program = process.arguments.front();
  if (program.contains('/')) {
    return {program};
  }
  std::vector<std::string> candidates;
  std::string_view path = value_of(process, "PATH").value_or(kDefaultPath);
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    candidates.push_back(fmt::format("{}/{}", folder.empty() ? "." : folder, program));
    if (colon == std::string_view::npos) {
      return candidates;
    }
    path.remove_prefix(colon + 1);
  }
}

std::vector<std::string> environment_of(const Process& process, const Account& account, const std::string& hostname) {
  auto environment = process.environment;
  if (!value_of(process, "HOME")) {
    environment.push_back("HOME=" + account.home);
  }
  if (!value_of(process, "HOSTNAME")) {
    environment.push_back("HOSTNAME=" + hostname);
  }
  return environment;
}

// What a new process says of its failure, over a pipe that a program which was started closes.
enum class Failed : std::uint8_t { identity, directory, program, other };
struct Report {
  Failed what;
  int number;
};
static_assert(sizeof(Report) == 8);

[[noreturn]] void fail(int report, Failed what) {
  const Report words{.what = what, .number = errno};
  (void)!::write(report, &words, sizeof(words));
  ::_exit(127);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) {
    ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The zone's first process is not to be killed for want of memory, all others are as usual.
void become_usual() {
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file >= 0) {
    (void)!::write(file, "0", 1);
    ::close(file);
  }
}

void become(const Account& account, int report) {
  if (::geteuid() == 0) {
    if (::setgroups(account.groups.size(), account.groups.data()) != 0 || ::setgid(account.gid) != 0 ||
        ::setuid(account.uid) != 0) {
      fail(report, Failed::identity);
    }
  }
}

// ENOENT where none is there; one that may not be run counts more, as for a shell.
void run_first(const Plan& plan, int report) {
  int number = ENOENT;
  for (const std::string& path : plan.candidates) {
    ::execve(path.c_str(), plan.arguments.data(), plan.variables.data());
    if (errno != ENOENT && errno != ENOTDIR) {
      number = errno;
    }
  }
  errno = number;
  fail(report, Failed::program);
}

[[noreturn]] void run(const Process& process, const Account& account, const Plan& plan, const Ends& ends, int report) {
  ::setsid();
  if (::dup2(ends.input.get(), 0) < 0 || ::dup2(ends.output.get(), 1) < 0 || ::dup2(ends.error.get(), 2) < 0) {
    fail(report, Failed::other);
  }
  if (process.terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) {
    fail(report, Failed::other);
  }
  reset_signals();
  become_usual();
  ::umask(022);
  if (::chdir(process.working_directory.c_str()) != 0) {
    fail(report, Failed::directory);
  }
  become(account, report);
  run_first(plan, report);
  ::_exit(127);
}

Error failure(const Report& report, const Process& process) {
  switch (report.what) {
    case Failed::identity:
      return Error::from_errno(report.number, fmt::format("become the user '{}'", process.user));
    case Failed::directory:
      return Error::from_errno(report.number, fmt::format("enter the folder {}", process.working_directory));
    case Failed::program:
      return Error::from_errno(report.number, fmt::format("run '{}'", process.arguments.front()));
    case Failed::other:
      break;
  }
  return Error::from_errno(report.number, "set the process up");
}

Result<Account> account_of(const Process& process) {
  return find_account(process.user, read_some("/etc/passwd"), read_some("/etc/group"));
}

}  // namespace

void set_size(int terminal, bundle::WindowSize size) {
  if (size.rows != 0 && size.columns != 0) {
    const winsize words{.ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(terminal, TIOCSWINSZ, &words);
  }
}

Result<Spawned> spawn(const Process& process, const std::string& hostname) {
  KRAIT_TRY(const auto account, account_of(process));
  KRAIT_CHECK(make_folders(process.working_directory));
  KRAIT_TRY(auto ends, process.terminal ? make_terminal(process, account) : make_pipes(account));
  KRAIT_TRY(Pipe report, make_pipe());
  Process copy = process;
  Plan plan{.environment = environment_of(process, account, hostname),
            .candidates = candidates_of(process),
            .arguments = pointers(copy.arguments),
            .variables = {}};
  plan.variables = pointers(plan.environment);
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "make a process");
  }
  if (pid == 0) {
    run(process, account, plan, ends, report.write.get());
  }
  report.write.reset();
  Report words{};
  if (::read(report.read.get(), &words, sizeof(words)) == static_cast<ssize_t>(sizeof(words))) {
    ::waitpid(pid, nullptr, 0);
    return failure(words, process);
  }
  ends.ours.pid = pid;
  return std::move(ends.ours);
}

}  // namespace krata::init
