#include <memory>
#include <string>

#include "krait/cli/answers.h"
#include "krait/cli/command.h"
#include "krait/control/client.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> rules(const std::string& socket, Output& output) {
  KRAIT_TRY(auto answer, control::ask(socket, control::Request::rules));
  output.report(rules_text(answer), answer);
  return {};
}

}  // namespace

void add_rules(Shell& shell) {
  auto socket = std::make_shared<std::string>(control::kDefaultSocket);
  Command command =
      shell.command("rules", "Show what each rule has decided, and how long it holds",
                    "Packets of both directions, as the kernel counted them since the rule was first loaded.\n"
                    "Example:  sudo krait rules");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return rules(*socket, output); });
}

}  // namespace krait::cli
