// krait key: going over to another key.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "krait/cli/command.h"
#include "krait/control/client.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> rotate(const std::string& socket, Output& output) {
  KRAIT_TRY(auto answer, control::ask(socket, control::Request::rotate_key));
  output.report(fmt::format("the key is now {}", answer.value("public_key", Json()).dump()), answer);
  return {};
}

}  // namespace

void add_key(Shell& shell, const Inspections& inspections) {
  Command group = shell.group("key", "Go over to another key");
  auto config = std::make_shared<std::string>(kDefaultConfig);
  Command prepare =
      shell.command(group, "next", "Make the key that this host will use next, and print its public key",
                    "It waits beside the key file, with .next behind its name; a second call prints the same. Give it "
                    "to every peer as\n"
                    "next_public_key of this host's [[peer]], and krait reload there. Then: krait key rotate.\n"
                    "Example:  sudo krait key next");
  add_config_flag(prepare, *config);
  shell.on(prepare, [config, &inspections](Output& output) { return inspections.next_key(*config, output); });
  auto socket = std::make_shared<std::string>(control::kDefaultSocket);
  Command go = shell.command(group, "rotate", "Go over to the key that krait key next made",
                             "Peers that know it follow at once, and nothing but a handshake lies between. On the "
                             "peers, public_key takes the new\n"
                             "one and next_public_key goes, whenever that suits.\n"
                             "Example:  sudo krait key rotate");
  add_socket_flag(go, *socket);
  shell.on(go, [socket](Output& output) { return rotate(*socket, output); });
}

}  // namespace krait::cli
