#include "krait/crypto/sign.h"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "common/base64.h"

namespace krait::crypto {

using common::Result;

namespace {

static_assert(crypto_sign_SEEDBYTES == Secret::kBytes && crypto_sign_PUBLICKEYBYTES == 32 && crypto_sign_BYTES == 64);

// The seed with its public key behind it, as libsodium wants it; wiped at the end of the scope.
struct Expanded {
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> bytes{};
  VerifyKey verify_key;

  explicit Expanded(const Secret& seed) {
    if (sodium_init() < 0) {
      std::abort();
    }
    crypto_sign_seed_keypair(verify_key.bytes.data(), bytes.data(), seed.bytes().data());
  }
  Expanded(const Expanded&) = delete;
  Expanded& operator=(const Expanded&) = delete;
  ~Expanded() { sodium_memzero(bytes.data(), bytes.size()); }
};

std::vector<std::uint8_t> signed_bytes(std::string_view domain, std::span<const std::uint8_t> message) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(domain.size() + 1 + message.size());
  bytes.insert(bytes.end(), domain.begin(), domain.end());
  bytes.push_back(0);
  bytes.insert(bytes.end(), message.begin(), message.end());
  return bytes;
}

}  // namespace

std::string verify_key_text(const VerifyKey& key) { return common::to_base64(key.bytes); }

std::optional<VerifyKey> parse_verify_key(std::string_view text) {
  const auto bytes = common::from_base64(text);
  VerifyKey key;
  if (!bytes || bytes->size() != key.bytes.size()) {
    return std::nullopt;
  }
  std::ranges::copy(*bytes, key.bytes.begin());
  return key;
}

SigningKey::SigningKey(Secret seed) : seed_(std::move(seed)), verify_key_(Expanded(seed_).verify_key) {}

SigningKey SigningKey::generate() { return SigningKey(Secret::random()); }

SigningKey SigningKey::of(Secret seed) { return SigningKey(std::move(seed)); }

Result<SigningKey> SigningKey::load(const std::string& path, std::string_view made_by) {
  KRAIT_TRY(auto seed, Secret::load(path, made_by));
  return SigningKey(std::move(seed));
}

Signature SigningKey::sign(std::string_view domain, std::span<const std::uint8_t> message) const {
  const auto bytes = signed_bytes(domain, message);
  const Expanded key(seed_);
  Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, bytes.data(), bytes.size(), key.bytes.data());
  return signature;
}

bool verify(const VerifyKey& key, std::string_view domain, std::span<const std::uint8_t> message,
            const Signature& signature) {
  if (sodium_init() < 0) {
    return false;
  }
  const auto bytes = signed_bytes(domain, message);
  return crypto_sign_verify_detached(signature.data(), bytes.data(), bytes.size(), key.bytes.data()) == 0;
}

}  // namespace krait::crypto
