#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "common/json.h"
#include "krait/cli/command.h"
#include "krait/control/client.h"
#include "krait/datapath/bpffs.h"
#include "krait/enforce/left_over.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Flags {
  std::string config = kDefaultConfig;
  std::string interface;
  std::string socket = control::kDefaultSocket;
  bool keep_enforcing = false;
};

std::string done_text(const Flags& flags, const Json& answer) {
  const std::string interface = common::text_at(answer, "interface");
  if (!flags.keep_enforcing) {
    return fmt::format("down: {} is no longer guarded", interface);
  }
  const char* peers = answer.value("managed", true) ? ", its peers are gone" : "";
  return fmt::format("down: everything on {} is denied{}", interface, peers);
}

// What is in force on interfaces of other names, for which nobody asked.
std::string nothing_text() {
  std::string others;
  std::error_code error;
  for (const auto& folder : std::filesystem::directory_iterator(datapath::kBpffs, error)) {
    if (!folder.is_directory(error)) {
      continue;  // the kernel's own maps.debug and progs.debug
    }
    const std::string name = folder.path().filename().string();
    others += fmt::format("; {} is still guarded: krait down --iface {}", name, name);
  }
  return "already down" + others;
}

Result<void> down_without_agent(const Flags& flags, Output& output) {
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission, "only root may do this; run it with sudo");
  }
  enforce::EnforcerOptions options{.config_file = flags.config, .guarded_interface = {}};
  if (!flags.interface.empty()) {
    options.guarded_interface = flags.interface;
  }
  auto found = flags.keep_enforcing ? enforce::drain_left_over(options) : enforce::remove_left_over(options);
  if (!found) {
    return found.error();
  }
  ::unlink(flags.socket.c_str());  // an agent that was killed left them
  ::unlink((flags.socket + ".lock").c_str());
  const char* text = flags.keep_enforcing ? "down: what a former agent left denies everything now"
                                          : "down: removed what a former agent left";
  output.report(*found ? text : nothing_text(),
                {{"version", control::kProtocolVersion}, {"removed", *found && !flags.keep_enforcing}});
  return {};
}

// `--iface` is for what a former agent left: of an agent that runs, it may only name the interface.
Result<void> check_interface(const Flags& flags) {
  if (flags.interface.empty()) {
    return {};
  }
  const auto status = control::ask(flags.socket, control::Request::status);
  if (!status) {
    return {};  // whether an agent answers is the next request's business
  }
  const std::string interface = common::text_at(*status, "interface");
  if (interface == flags.interface) {
    return {};
  }
  return Error(
      ErrorCode::invalid_input,
      fmt::format("the agent that answers keeps {}, not {}; leave --iface out to end it, or name the socket of "
                  "{}'s agent: --socket SOCKET",
                  interface, flags.interface, flags.interface));
}

Result<void> down(const Flags& flags, Output& output) {
  if (auto meant = check_interface(flags); !meant) {
    return meant;
  }
  auto answer = control::ask(flags.socket, flags.keep_enforcing ? control::Request::drain : control::Request::down);
  if (!answer) {
    return answer.error().code() == ErrorCode::unavailable ? down_without_agent(flags, output) : answer.error();
  }
  // An agent without privileges cannot unmount.
  datapath::release_bpffs(datapath::kBpffs);
  output.report(done_text(flags, *answer), {{"version", control::kProtocolVersion},
                                            {"removed", !flags.keep_enforcing},
                                            {"interface", common::text_at(*answer, "interface")}});
  return {};
}

}  // namespace

void add_down(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  Command command = shell.command("down", "End the agent and remove what it put in force",
                                  "Removes the interface with its peers, unless it was only guarded, and the data "
                                  "path. Works without a running agent\n"
                                  "too.\n"
                                  "Example:  sudo krait down");
  add_config_flag(command, flags->config);
  command.option(
      "--iface", flags->interface,
      "The interface that is only guarded, when its agent does not run any more: nothing but the guard is removed");
  command.flag("--keep-enforcing", flags->keep_enforcing,
               "Take the peers away and deny everything, but leave the interface, its routes and the guard");
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags](Output& output) { return down(*flags, output); });
}

}  // namespace krait::cli
