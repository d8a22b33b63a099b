// Keys of pairs against vectors that another implementation computed: SHA-512 and BLAKE2b of Python's hashlib, X25519
// of OpenSSL, and the change from the Edwards curve to Montgomery's written down by the formula of RFC 7748.
#include "krait/crypto/pair.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace krait::crypto {
namespace {

std::array<std::uint8_t, 32> bytes_of(std::string_view hex) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return bytes;
}

SigningKey key_of(std::string_view seed) { return SigningKey::of(Secret::of(bytes_of(seed))); }

// RFC 8032 7.1, tests 1 and 2; and a seed of nines.
constexpr std::string_view kA = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
constexpr std::string_view kB = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
constexpr std::string_view kC = "0909090909090909090909090909090909090909090909090909090909090909";
constexpr std::string_view kCounting = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr std::string_view kZeros = "0000000000000000000000000000000000000000000000000000000000000000";

std::optional<Secret> between(std::string_view own, const VerifyKey& other, std::string_view network) {
  const SigningKey key = key_of(own);
  return pair_key(pair_secret(key), {.own = key.verify_key(), .other = other, .network = bytes_of(network)});
}

TEST(PairTest, IsWhatAnotherImplementationComputes) {
  struct Vector {
    std::string_view one;
    std::string_view other;
    std::string_view network;
    std::string_view key;
  };
  for (const Vector& vector : {
           Vector{kA, kB, kCounting, "08722acc674e62245cff72173d91cc3ffd275fa051df490eb653de62c85e8a5c"},
           {kA, kB, kZeros, "ec4a8ffca0c489a482d5f6e2266a6f4cc8a4a5cf839ab6c23b47ed825c3f42fb"},
           {kA, kC, kCounting, "49fc3f1b28fcbf3c4463a6c5fa46dd72cd137d1399a8201d4f3e8beeca6cf707"},
           {kB, kC, kCounting, "40fc8f7aa283e9aee7059a7e62502387839f6aca8bc841b487ef6a51f27014d0"},
       }) {
    for (const auto& [own, other] : {std::pair(vector.one, vector.other), {vector.other, vector.one}}) {
      const auto key = between(own, key_of(other).verify_key(), vector.network);
      ASSERT_TRUE(key);
      EXPECT_EQ(key->bytes(), bytes_of(vector.key));
    }
  }
}

TEST(PairTest, KnowsTheSecretOfAKey) {
  const SigningKey key = key_of(kA);
  const Secret secret = pair_secret(key);
  EXPECT_EQ(secret.bytes(), bytes_of("307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f"));
  EXPECT_EQ(secret.x25519_public_key(), bytes_of("d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e"));
  EXPECT_TRUE(is_pair_secret(secret, key.verify_key()));
  EXPECT_FALSE(is_pair_secret(secret, key_of(kB).verify_key()));
  EXPECT_FALSE(is_pair_secret(secret, VerifyKey{}));
}

// Points that would make a key which everybody knows, and what is no point at all.
TEST(PairTest, MakesNothingOfWhatIsNoKey) {
  constexpr std::string_view kOrder1 = "0100000000000000000000000000000000000000000000000000000000000000";
  constexpr std::string_view kOrder2 = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
  constexpr std::string_view kOrder4 = kZeros;
  constexpr std::string_view kOrder8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
  constexpr std::string_view kOffTheCurve = "0200000000000000000000000000000000000000000000000000000000000000";
  constexpr std::string_view kOnes = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
  for (const std::string_view other : {kOrder1, kOrder2, kOrder4, kOrder8, kOffTheCurve, kOnes}) {
    EXPECT_FALSE(between(kA, VerifyKey{bytes_of(other)}, kCounting)) << other;
  }
  EXPECT_FALSE(between(kA, key_of(kA).verify_key(), kCounting)) << "a host is no pair";
}

}  // namespace
}  // namespace krait::crypto
