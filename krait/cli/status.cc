#include <memory>
#include <string>

#include "common/answer.h"
#include "common/json.h"
#include "krait/cli/answers.h"
#include "krait/cli/command.h"
#include "krait/control/client.h"
#include "krait/rundir/bpffs.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> status(const std::string& socket, Output& output) {
  auto answer = control::ask(socket, control::Request::status);
  if (!answer) {
    return answer.error().code() == common::ErrorCode::unavailable
               ? common::passed_on(answer, "show the status (the kernel goes on as it was last told)")
               : answer.error();
  }
  output.report(status_text(*answer), *answer);
  return {};
}

Result<void> reload(const std::string& socket, Output& output) {
  // An agent without privileges cannot mount. It pins again when it is told of the mount.
  if (::geteuid() == 0) {
    KRAIT_CHECK(rundir::mend_bpffs(rundir::kBpffs));
  }
  KRAIT_TRY(auto answer, control::ask(socket, control::Request::reload));
  output.warn(common::findings_from_json(common::list_at(answer, "warnings")));
  output.report(reload_text(answer), answer);
  if (!common::list_at(answer, "faults").empty()) {
    output.found_problems();
  }
  return {};
}

}  // namespace

void add_status(Shell& shell) {
  auto socket = std::make_shared<std::string>(control::kDefaultSocket);
  Command command = shell.command("status", "Show what is in force: interface, policy, peers, drops",
                                  "Example:  krait status -o json");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return status(*socket, output); });
}

void add_reload(Shell& shell) {
  auto socket = std::make_shared<std::string>(control::kDefaultSocket);
  Command command =
      shell.command("reload", "Put edited files in force",
                    "Returns when they are. What stays allowed loses no packet, and a wrong file changes nothing.\n"
                    "Example:  sudo krait reload");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return reload(*socket, output); });
}

}  // namespace krait::cli
