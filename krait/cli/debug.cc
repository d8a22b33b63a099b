#include <fmt/format.h>

#include <memory>
#include <string>

#include "krait/cli/command.h"
#include "krait/doctor/bundle.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> bundle(const doctor::Where& where, const std::string& file, Output& output) {
  const auto made = doctor::make_bundle(where, file.empty() ? doctor::bundle_name() : file);
  if (!made) {
    return made.error();
  }
  std::string text = fmt::format("{}: {} files, no secrets", made->file, made->members.size());
  for (const std::string& left_out : made->missing) {
    text += "\n  missing: " + left_out;
  }
  output.report(text, {{"version", agent::kProtocolVersion},
                       {"file", made->file},
                       {"members", made->members},
                       {"missing", made->missing}});
  return {};
}

}  // namespace

void add_debug(Shell& shell) {
  Command group = shell.group("debug", "Help with finding a fault");
  auto where =
      std::make_shared<doctor::Where>(doctor::Where{.config = kDefaultConfig, .socket = agent::kDefaultSocket});
  auto file = std::make_shared<std::string>();
  Command command = shell.command(
      group, "bundle", "Put everything that helps with a fault into one archive, without secrets",
      "What doctor, status and rules say, the metrics page, both files, the network's state, the programs, the log.\n"
      "Private keys are left out wherever they are. Made for the caller only (mode 0600); knows more as root.\n"
      "Example:  sudo krait debug bundle");
  add_config_flag(command, where->config);
  add_socket_flag(command, where->socket);
  command.option("--output-file", *file, "The archive; default krait-debug-HOST-DATE.tar.gz, here");
  shell.on(command, [where, file](Output& output) { return bundle(*where, *file, output); });
}

}  // namespace krait::cli
