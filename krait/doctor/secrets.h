// Keeps private keys out of what is shown to others. Pure but for find_secrets().
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "krait/model/mesh.h"

namespace krait::doctor {

// Keys of 32 bytes each, as raw bytes. Wiped on release. Move-only.
class Secrets {
 public:
  Secrets() = default;
  Secrets(Secrets&&) noexcept = default;
  Secrets& operator=(Secrets&&) noexcept = default;
  Secrets(const Secrets&) = delete;
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets();

  void add(const std::uint8_t* key);  // 32 bytes
  [[nodiscard]] const std::vector<model::PublicKey>& keys() const { return keys_; }

 private:
  std::vector<model::PublicKey> keys_;  // of the same size as a public one
};

// The host's private key, and whatever else in its folder is a key but none of `public_keys` (one that was replaced,
// say). Of what the caller may not read there is nothing.
Secrets find_secrets(const std::string& private_key_file, const std::set<model::PublicKey>& public_keys);

// The text without private keys: every secret (raw, in base64 or in hexadecimal) is replaced by "[left out]", and so is
// everything else that looks like a key in base64 or hexadecimal and is none of `public_keys`: it might be one that the
// caller could not read.
std::string without_secrets(std::string text, const Secrets& secrets, const std::set<model::PublicKey>& public_keys);

}  // namespace krait::doctor
