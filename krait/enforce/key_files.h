// Where a host's key is, and the one that it will use next. Blocks on the file system.
#pragma once

#include <string>

#include "common/result.h"
#include "krait/model/mesh.h"
#include "krait/wireguard/key.h"

namespace krait::enforce {

// From the file or the credential that the host's configuration names; invalid_input when there is none.
common::Result<wireguard::PrivateKey> load_key(const model::Host& host);

// Where the key that a host will use next waits; unsupported when its key is a credential.
common::Result<std::string> next_key_file(const model::Host& host);

// The key that waits there, made where there is none.
common::Result<wireguard::PrivateKey> waiting_key(const model::Host& host);

// The next key takes the key file's place, and the former one is kept until settle() or undo(). not_found when there is
// no next one.
class KeyExchange {
 public:
  static common::Result<KeyExchange> begin(const model::Host& host);

  [[nodiscard]] const wireguard::PrivateKey& key() const { return key_; }
  void settle();
  common::Result<void> undo();

 private:
  KeyExchange(std::string file, std::string next_file, wireguard::PrivateKey key)
      : file_(std::move(file)), next_file_(std::move(next_file)), key_(std::move(key)) {}
  [[nodiscard]] std::string former_file() const { return file_ + ".former"; }

  std::string file_;
  std::string next_file_;
  wireguard::PrivateKey key_;
};

}  // namespace krait::enforce
