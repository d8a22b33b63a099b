#include "krait/crypto/pair.h"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "krait/crypto/wiped.h"

namespace krait::crypto {

namespace {

static_assert(crypto_scalarmult_curve25519_BYTES == Secret::kBytes && crypto_scalarmult_curve25519_SCALARBYTES == 32);
static_assert(crypto_generichash_blake2b_PERSONALBYTES == 16);

constexpr std::string_view kDomain = "krait pair key";  // filled up with zeros

using Bytes = std::array<std::uint8_t, Secret::kBytes>;

void derive(const Bytes& shared, const Pair& pair, Bytes& key) {
  const VerifyKey& lower = std::min(pair.own, pair.other);
  const VerifyKey& higher = std::max(pair.own, pair.other);
  std::array<std::uint8_t, crypto_generichash_blake2b_PERSONALBYTES> personal{};
  std::ranges::copy(kDomain, personal.begin());
  Wiped<crypto_generichash_blake2b_state> state;
  crypto_generichash_blake2b_init_salt_personal(&state.value, shared.data(), shared.size(), key.size(), nullptr,
                                                personal.data());
  for (const auto* piece : {&pair.network, &lower.bytes, &higher.bytes}) {
    crypto_generichash_blake2b_update(&state.value, piece->data(), piece->size());
  }
  crypto_generichash_blake2b_final(&state.value, key.data(), key.size());
}

}  // namespace

Secret pair_secret(const SigningKey& key) {
  if (sodium_init() < 0) {
    std::abort();
  }
  VerifyKey verify_key;
  Wiped<std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES>> expanded;
  crypto_sign_seed_keypair(verify_key.bytes.data(), expanded.value.data(), key.seed().bytes().data());
  Wiped<Bytes> scalar;
  crypto_sign_ed25519_sk_to_curve25519(scalar.value.data(), expanded.value.data());
  return Secret::of(scalar.value);
}

bool is_pair_secret(const Secret& secret, const VerifyKey& of) {
  Bytes wanted{};
  return crypto_sign_ed25519_pk_to_curve25519(wanted.data(), of.bytes.data()) == 0 &&
         secret.x25519_public_key() == wanted;
}

std::optional<Secret> pair_key(const Secret& secret, const Pair& pair) {
  Bytes other{};
  if (sodium_init() < 0 || pair.own == pair.other ||
      crypto_sign_ed25519_pk_to_curve25519(other.data(), pair.other.bytes.data()) != 0) {
    return std::nullopt;
  }
  Wiped<Bytes> shared;
  if (crypto_scalarmult_curve25519(shared.value.data(), secret.bytes().data(), other.data()) != 0) {
    return std::nullopt;  // all zeros
  }
  Wiped<Bytes> key;
  derive(shared.value, pair, key.value);
  return Secret::of(key.value);
}

}  // namespace krait::crypto
