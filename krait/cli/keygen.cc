#include <memory>
#include <string>

#include "common/file.h"
#include "common/process.h"
#include "krait/cli/command.h"
#include "krait/wireguard/wireguard.h"

namespace krait::cli {

using common::Result;

namespace {

struct Flags {
  std::string file = "/var/lib/krait/host.key";
  bool only_public = false;
};

Result<model::PublicKey> make_key(const std::string& file) {
  if (auto made = common::make_directory_of(file, 0700); !made) {
    return made.error();
  }
  const auto key = wireguard::PrivateKey::generate();
  if (auto saved = key.save(file); !saved) {
    return saved.error();
  }
  return key.public_key();
}

Result<model::PublicKey> read_key(const std::string& file) {
  auto key = wireguard::PrivateKey::load(file);
  if (!key) {
    return key.error();
  }
  return key->public_key();
}

Result<void> keygen(const Flags& flags, Output& output) {
  common::forbid_memory_dumps();
  auto key = flags.only_public ? read_key(flags.file) : make_key(flags.file);
  if (!key) {
    return key.error();
  }
  const std::string text = model::key_text(*key);
  output.report(text, {{"version", control::kProtocolVersion}, {"file", flags.file}, {"public_key", text}});
  return {};
}

}  // namespace

void add_keygen(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  Command command = shell.command("keygen", "Make a private key and print its public key",
                                  "The key goes to a new file of mode 0600; the public key is what the peers need.\n"
                                  "Example:  sudo krait keygen /var/lib/krait/host.key");
  command.option("FILE", flags->file, "Where the private key goes; never over an existing file");
  command.flag("--public", flags->only_public, "Make nothing; print the public key of the existing FILE");
  shell.on(command, [flags](Output& output) { return keygen(*flags, output); });
}

}  // namespace krait::cli
