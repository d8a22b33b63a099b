#include "krait/wireguard/key.h"

namespace krait::wireguard {

using common::Result;

namespace {

constexpr std::string_view kMadeBy = "krait keygen";

}  // namespace

Result<PrivateKey> PrivateKey::load(const std::string& path) {
  KRAIT_TRY(auto secret, crypto::Secret::load(path, kMadeBy));
  return PrivateKey(std::move(secret));
}

Result<PrivateKey> PrivateKey::load_credential(const std::string& name) {
  KRAIT_TRY(auto secret, crypto::Secret::load_credential(name, kMadeBy));
  return PrivateKey(std::move(secret));
}

std::optional<PrivateKey> PrivateKey::parse(std::string_view text) {
  auto secret = crypto::Secret::parse(text);
  return secret ? std::optional(PrivateKey(std::move(*secret))) : std::nullopt;
}

PrivateKey PrivateKey::generate() {
  auto secret = crypto::Secret::random();
  secret.bytes()[0] &= 248U;
  secret.bytes()[31] = static_cast<std::uint8_t>((secret.bytes()[31] & 127U) | 64U);
  return PrivateKey(std::move(secret));
}

}  // namespace krait::wireguard
