// krait keygen and krait key next.
#include <string>

#include "common/file.h"
#include "common/process.h"
#include "krait/config/load.h"
#include "krait/enforce/key_files.h"
#include "krait/inspect/inspect.h"
#include "krait/wireguard/wireguard.h"

namespace krait::inspect {

using cli::Output;
using common::Result;

namespace {

Result<model::PublicKey> make_key(const std::string& file) {
  KRAIT_CHECK(common::make_directory_of(file, 0700));
  const auto key = wireguard::PrivateKey::generate();
  KRAIT_CHECK(key.save(file));
  return key.public_key();
}

Result<model::PublicKey> read_key(const std::string& file) {
  KRAIT_TRY(auto key, wireguard::PrivateKey::load(file));
  return key.public_key();
}

}  // namespace

Result<void> keygen(const cli::KeygenFlags& flags, Output& output) {
  common::forbid_memory_dumps();
  KRAIT_TRY(auto key, flags.only_public ? read_key(flags.file) : make_key(flags.file));
  const std::string text = model::key_text(key);
  output.report(text, {{"version", control::kProtocolVersion}, {"file", flags.file}, {"public_key", text}});
  return {};
}

Result<void> next_key(const std::string& config, Output& output) {
  common::forbid_memory_dumps();
  KRAIT_TRY(const auto mesh, config::load_mesh(config));
  const auto file = enforce::next_key_file(mesh.host);
  if (!file) {
    return file.error();
  }
  KRAIT_TRY(auto key, enforce::waiting_key(mesh.host));
  const std::string text = model::key_text(key.public_key());
  output.report(text, {{"version", control::kProtocolVersion}, {"file", *file}, {"next_public_key", text}});
  return {};
}

}  // namespace krait::inspect
