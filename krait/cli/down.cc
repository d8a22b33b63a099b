#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "common/json.h"
#include "krait/cli/command.h"
#include "krait/control/client.h"
#include "krait/rundir/bpffs.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::string done_text(const DownFlags& flags, const Json& answer) {
  const std::string interface = common::text_at(answer, "interface");
  if (!flags.keep_enforcing) {
    return fmt::format("down: {} is no longer guarded", interface);
  }
  const char* peers = answer.value("managed", true) ? ", its peers are gone" : "";
  return fmt::format("down: everything on {} is denied{}", interface, peers);
}

// `--iface` is for what a former agent left: of an agent that runs, it may only name the interface.
Result<void> check_interface(const DownFlags& flags) {
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

Result<void> down(const DownFlags& flags, const Inspections& inspections, Output& output) {
  KRAIT_CHECK(check_interface(flags));
  auto answer =
      control::ask_to_end(flags.socket, flags.keep_enforcing ? control::Request::drain : control::Request::down);
  if (!answer) {
    if (answer.error().code() != ErrorCode::unavailable) {
      return answer.error();
    }
    return ::geteuid() == 0 ? inspections.down_without_agent(flags, output)
                            : Error(ErrorCode::permission, "only root may do this; run it with sudo");
  }
  // An agent without privileges cannot unmount.
  rundir::release_bpffs(rundir::kBpffs);
  output.report(done_text(flags, *answer), {{"version", control::kProtocolVersion},
                                            {"removed", !flags.keep_enforcing},
                                            {"interface", common::text_at(*answer, "interface")}});
  return {};
}

}  // namespace

void add_down(Shell& shell, const Inspections& inspections) {
  auto flags = std::make_shared<DownFlags>(
      DownFlags{.config = kDefaultConfig, .interface = {}, .socket = control::kDefaultSocket});
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
  shell.on(command, [flags, &inspections](Output& output) { return down(*flags, inspections, output); });
}

}  // namespace krait::cli
