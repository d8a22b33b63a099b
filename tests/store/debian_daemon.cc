#include "tests/store/debian_daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace krata::store {

namespace {

std::string program_of(DaemonKind kind) {
  return std::string("/usr/lib/xen-4.17/bin/") + (kind == DaemonKind::xenstored ? "xenstored" : "oxenstored");
}

void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

void make_folder_of_domains(const std::string& folder, std::uint32_t domains) {
  ::mkfifo((folder + "/events").c_str(), 0600);
  write_text(folder + "/port-0", "1");
  for (std::uint32_t domain = 0; domain <= domains; ++domain) {
    write_text(folder + "/ring-" + std::to_string(domain), std::string(4096, '\0'));
  }
}

std::vector<std::string> command_of(DaemonKind kind, const Quota& quota, const std::string& folder) {
  if (kind == DaemonKind::xenstored) {
    return {program_of(kind),
            "-N",
            "-F",
            folder + "/pid",
            fmt::format("-E{}", quota.nodes),
            fmt::format("-W{}", quota.watches),
            fmt::format("-t{}", quota.transactions),
            fmt::format("-A{}", quota.permissions),
            fmt::format("-S{}", quota.node_size)};
  }
  write_text(folder + "/conf",
             fmt::format("pid-file = {0}/pid\npersistent = false\nxenstored-kva = {0}/ring-0\n"
                         "xenstored-port = {0}/port-0\nxenstored-log-file = {0}/log\n"
                         "access-log-file = {0}/access-log\nquota-maxentity = {1}\nquota-maxwatch = {2}\n"
                         "quota-transaction = {3}\n",
                         folder, quota.nodes, quota.watches, quota.transactions));
  return {program_of(kind), "--no-fork", "--config-file", folder + "/conf"};
}

[[noreturn]] void become(const std::vector<std::string>& command, const std::string& folder) {
  ::setenv("XEN_STAND_IN", folder.c_str(), 1);
  ::setenv("XENSTORED_RUNDIR", folder.c_str(), 1);
  ::setenv("LD_PRELOAD", XEN_STAND_IN_LIBRARY, 1);
  const int output = ::open((folder + "/output").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  ::execv(arguments.front(), arguments.data());
  ::_exit(127);
}

}  // namespace

bool DebianDaemon::is_installed(DaemonKind kind) { return ::access(program_of(kind).c_str(), X_OK) == 0; }

std::unique_ptr<DebianDaemon> DebianDaemon::start(DaemonKind kind, const Quota& quota, std::uint32_t domains) {
  std::string folder = "/tmp/krata-store-XXXXXX";
  if (!is_installed(kind) || ::mkdtemp(folder.data()) == nullptr) {
    return nullptr;
  }
  make_folder_of_domains(folder, domains);
  const auto command = command_of(kind, quota, folder);
  const pid_t process = ::fork();
  if (process == 0) {
    become(command, folder);
  }
  std::unique_ptr<DebianDaemon> daemon(new DebianDaemon(folder, process));
  for (int i = 0; i < 500; ++i) {
    const auto wire = connect_socket(daemon->socket());
    if (wire != nullptr) {
      return daemon;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return nullptr;
}

DebianDaemon::~DebianDaemon() {
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace krata::store
