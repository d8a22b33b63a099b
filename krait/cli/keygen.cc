#include <memory>

#include "krait/cli/command.h"

namespace krait::cli {

void add_keygen(Shell& shell, const Inspections& inspections) {
  auto flags = std::make_shared<KeygenFlags>();
  Command command = shell.command("keygen", "Make a private key and print its public key",
                                  "The key goes to a new file of mode 0600; the public key is what the peers need.\n"
                                  "Example:  sudo krait keygen /var/lib/krait/host.key");
  command.option("FILE", flags->file, "Where the private key goes; never over an existing file");
  command.flag("--public", flags->only_public, "Make nothing; print the public key of the existing FILE");
  shell.on(command, [flags, &inspections](Output& output) { return inspections.keygen(*flags, output); });
}

}  // namespace krait::cli
