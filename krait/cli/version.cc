#include "krait/control/version.h"

#include <memory>

#include "krait/cli/command.h"

namespace krait::cli {

void add_version(Shell& shell) {
  Command command = shell.command("version", "Say which krait this is", "Example:  krait version -o json");
  shell.on(command, [](Output& output) -> common::Result<void> {
    output.report(std::string("krait ") + control::kVersion,
                  {{"version", control::kProtocolVersion}, {"krait", control::kVersion}});
    return {};
  });
}

}  // namespace krait::cli
