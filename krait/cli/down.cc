#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "krait/agent/client.h"
#include "krait/agent/enforcer.h"
#include "krait/cli/command.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Flags {
  std::string config = kDefaultConfig;
  std::string interface;
  std::string socket = agent::kDefaultSocket;
};

Result<void> remove_without_agent(const Flags& flags, Output& output) {
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission, "only root may do this; run it with sudo");
  }
  agent::EnforcerOptions options{.config_file = flags.config, .guarded_interface = {}};
  if (!flags.interface.empty()) {
    options.guarded_interface = flags.interface;
  }
  auto removed = agent::remove_left_over(options);
  if (!removed) {
    return removed.error();
  }
  ::unlink(flags.socket.c_str());  // an agent that was killed left it
  output.report(*removed ? "down: removed what a former agent left" : "already down",
                {{"version", agent::kProtocolVersion}, {"removed", *removed}});
  return {};
}

Result<void> down(const Flags& flags, Output& output) {
  auto answer = agent::ask(flags.socket, agent::Request::down);
  if (!answer) {
    return answer.error().code() == ErrorCode::unavailable ? remove_without_agent(flags, output) : answer.error();
  }
  const auto interface = answer->value("interface", std::string());
  output.report(fmt::format("down: {} is no longer guarded", interface),
                {{"version", agent::kProtocolVersion}, {"removed", true}, {"interface", interface}});
  return {};
}

}  // namespace

void add_down(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = shell.command("down", "End the agent and remove what it put in force",
                                    "Removes the interface with its peers, unless it was only guarded, and the data "
                                    "path. Works without a running agent\n"
                                    "too.\n"
                                    "Example:  sudo krait down");
  add_config_flag(command, flags->config);
  command.add_option("--iface", flags->interface,
                     "Without a running agent: the interface that was only guarded; nothing but the guard is removed");
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags](Output& output) { return down(*flags, output); });
}

}  // namespace krait::cli
