#include "krait/crypto/hash.h"

#include <sodium.h>

#include <algorithm>

namespace krait::crypto {

namespace {

static_assert(crypto_generichash_blake2b_PERSONALBYTES == 16);
constexpr std::size_t kTextCharacters = 43;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Hash hash_of(std::string_view domain, std::span<const std::span<const std::uint8_t>> pieces) {
  // Picks the fastest code once; without it the hash is the same.
  static const bool kIsReady = sodium_init() >= 0;
  static_cast<void>(kIsReady);
  std::array<std::uint8_t, crypto_generichash_blake2b_PERSONALBYTES> personal{};
  std::ranges::copy(domain.substr(0, personal.size()), personal.begin());
  crypto_generichash_blake2b_state state;
  crypto_generichash_blake2b_init_salt_personal(&state, nullptr, 0, kHashBytes, nullptr, personal.data());
  for (const auto& piece : pieces) {
    crypto_generichash_blake2b_update(&state, piece.data(), piece.size());
  }
  Hash hash{};
  crypto_generichash_blake2b_final(&state, hash.data(), hash.size());
  return hash;
}

Hash hash_of(std::string_view domain, std::span<const std::uint8_t> bytes) {
  return hash_of(domain, std::span(&bytes, 1));
}

Hash hash_of(std::string_view domain, std::string_view text) { return hash_of(domain, bytes_of(text)); }

std::string hash_text(const Hash& hash) {
  std::string text(kTextCharacters + 1, '\0');
  sodium_bin2base64(text.data(), text.size(), hash.data(), hash.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  text.resize(kTextCharacters);
  return text;
}

std::optional<Hash> parse_hash(std::string_view text) {
  Hash hash{};
  std::size_t length = 0;
  // libsodium 1.0.18 takes some bytes beyond ASCII for characters of base64; writing it again tells them apart.
  if (text.size() != kTextCharacters ||
      sodium_base642bin(hash.data(), hash.size(), text.data(), text.size(), nullptr, &length, nullptr,
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      length != hash.size() || hash_text(hash) != text) {
    return std::nullopt;
  }
  return hash;
}

}  // namespace krait::crypto
