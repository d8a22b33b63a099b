#include "krait/crypto/key_check.h"

#include <sodium.h>

#include <cstdlib>

namespace krait::crypto {

bool is_x25519_key(const std::array<std::uint8_t, 32>& key) {
  // Any scalar will do: all are multiples of 8, which is what small orders divide.
  constexpr std::array<std::uint8_t, crypto_scalarmult_curve25519_SCALARBYTES> kScalar{1};
  std::array<std::uint8_t, crypto_scalarmult_curve25519_BYTES> product{};
  return crypto_scalarmult_curve25519(product.data(), kScalar.data(), key.data()) == 0;
}

bool is_ed25519_key(const VerifyKey& key) {
  if (sodium_init() < 0) {
    std::abort();
  }
  return crypto_core_ed25519_is_valid_point(key.bytes.data()) == 1;
}

}  // namespace krait::crypto
