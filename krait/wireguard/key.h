// WireGuard's keys: X25519, in files of 32 bytes in base64 as wg(8) writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.h"
#include "krait/crypto/secret.h"
#include "krait/model/public_key.h"

namespace krait::wireguard {

// A private key; wiped on release, never printed. Move-only. Files are as crypto::Secret says.
class PrivateKey {
 public:
  static common::Result<PrivateKey> load(const std::string& path);
  static std::optional<PrivateKey> parse(std::string_view text);
  static common::Result<PrivateKey> load_credential(const std::string& name);
  static PrivateKey generate();  // from the kernel's random numbers, clamped (RFC 7748)

  [[nodiscard]] model::PublicKey public_key() const { return secret_.x25519_public_key(); }
  [[nodiscard]] common::Result<void> save(const std::string& path) const { return secret_.save(path); }
  [[nodiscard]] const std::uint8_t* bytes() const { return secret_.bytes().data(); }

 private:
  explicit PrivateKey(crypto::Secret secret) : secret_(std::move(secret)) {}
  crypto::Secret secret_;
};

}  // namespace krait::wireguard
