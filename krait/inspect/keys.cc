// krait keygen and krait key next.
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "common/process.h"
#include "krait/config/load.h"
#include "krait/enforce/key_files.h"
#include "krait/inspect/inspect.h"
#include "krait/wireguard/wireguard.h"

namespace krait::inspect {

using cli::Output;
using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Result<void> make_directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) {
    return {};
  }
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make the directory " + directory);
  }
  return {};
}

Result<model::PublicKey> make_key(const std::string& file) {
  if (auto made = make_directory_of(file); !made) {
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

// The key that waits, made where there is none.
Result<wireguard::PrivateKey> waiting_key(const std::string& file) {
  auto key = wireguard::PrivateKey::load(file);
  if (key || key.error().code() != ErrorCode::not_found) {
    return key;
  }
  auto made = wireguard::PrivateKey::generate();
  if (auto saved = made.save(file); !saved) {
    return saved.error();
  }
  return made;
}

}  // namespace

Result<void> keygen(const cli::KeygenFlags& flags, Output& output) {
  common::forbid_memory_dumps();
  auto key = flags.only_public ? read_key(flags.file) : make_key(flags.file);
  if (!key) {
    return key.error();
  }
  const std::string text = model::key_text(*key);
  output.report(text, {{"version", control::kProtocolVersion}, {"file", flags.file}, {"public_key", text}});
  return {};
}

Result<void> next_key(const std::string& config, Output& output) {
  common::forbid_memory_dumps();
  const auto mesh = config::load_mesh(config);
  if (!mesh) {
    return mesh.error();
  }
  const auto file = enforce::next_key_file(mesh->host);
  if (!file) {
    return file.error();
  }
  auto key = waiting_key(*file);
  if (!key) {
    return key.error();
  }
  const std::string text = model::key_text(key->public_key());
  output.report(text, {{"version", control::kProtocolVersion}, {"file", *file}, {"next_public_key", text}});
  return {};
}

}  // namespace krait::inspect
