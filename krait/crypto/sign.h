// Ed25519 signatures (RFC 8032), each for one purpose.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krait/crypto/secret.h"

namespace krait::crypto {

struct VerifyKey {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const VerifyKey&) const = default;
};

using Signature = std::array<std::uint8_t, 64>;

// 44 characters of base64, as WireGuard's keys are written.
std::string verify_key_text(const VerifyKey& key);
std::optional<VerifyKey> parse_verify_key(std::string_view text);

// Signs. Move-only; the seed is wiped on release.
class SigningKey {
 public:
  static SigningKey generate();
  static SigningKey of(Secret seed);
  // The seed's file, with the rules of Secret::load().
  static common::Result<SigningKey> load(const std::string& path, std::string_view made_by);
  [[nodiscard]] common::Result<void> save(const std::string& path) const { return seed_.save(path); }

  [[nodiscard]] const VerifyKey& verify_key() const { return verify_key_; }
  // What is signed is `domain`, a zero byte and the message. `domain`: 1..32 ASCII characters that no other purpose
  // has, so that a signature for one purpose is none for another.
  [[nodiscard]] Signature sign(std::string_view domain, std::span<const std::uint8_t> message) const;
  [[nodiscard]] const Secret& seed() const { return seed_; }

 private:
  explicit SigningKey(Secret seed);
  Secret seed_;
  VerifyKey verify_key_;
};

// False for keys of small order and signatures that are not canonical too (libsodium refuses both).
bool verify(const VerifyKey& key, std::string_view domain, std::span<const std::uint8_t> message,
            const Signature& signature);

}  // namespace krait::crypto
