#include "krait/wire/key_pair.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <vector>

#include "common/base64.h"
#include "krait/wire/openssl.h"

namespace krait::wire {
namespace {

using common::Result;

TEST(KeyPair, IsReadBackWithTheSameHash) {
  const auto made = make_key_pair();
  ASSERT_TRUE(made) << made.error().text();
  const auto read = parse_key_pair(made->pem);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->hash, made->hash);
  EXPECT_EQ(parse_hash(hash_text(made->hash)), made->hash);
  const auto other = make_key_pair();
  ASSERT_TRUE(other);
  EXPECT_NE(other->hash, made->hash);
}

TEST(KeyPair, RefusesWhatHoldsNoKey) {
  EXPECT_FALSE(parse_key_pair(""));
  const auto made = make_key_pair();
  ASSERT_TRUE(made);
  const std::string certificate = made->pem.substr(made->pem.find("-----BEGIN CERT"));
  EXPECT_FALSE(parse_key_pair(certificate));
  // One key with another's certificate.
  const auto other = make_key_pair();
  EXPECT_FALSE(parse_key_pair(other->pem.substr(0, other->pem.find("-----BEGIN CERT")) + certificate));
}

// What the other end shows, with a public key that is no point of P-256 (SEC 1, 2.3.4: the key begins with a 4).
TEST(KeyPair, IsNoneWhereItIsOffTheCurve) {
  const auto made = make_key_pair();
  ASSERT_TRUE(made);
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
  const std::size_t begin = made->pem.find(kBegin) + kBegin.size();
  std::string text = made->pem.substr(begin, made->pem.find("-----END CERT") - begin);
  std::erase(text, '\n');
  auto der = common::from_base64(text);
  ASSERT_TRUE(der);
  const auto shown = [&] {
    const std::uint8_t* at = der->data();
    const Owned<x509_st> certificate(d2i_X509(nullptr, &at, static_cast<long>(der->size())));
    return certificate ? hash_of_key(*certificate) : Result<KeyHash>(openssl_error("no certificate"));
  };
  const auto whole = shown();
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_EQ(*whole, made->hash);
  constexpr std::array<std::uint8_t, 4> kBitString{0x03, 0x42, 0x00, 0x04};
  const auto key = std::ranges::search(*der, kBitString);
  ASSERT_FALSE(key.empty());
  key.end()[-1 + 64] ^= 1U;  // of the last coordinate
  const auto refused = shown();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("neither of P-256"), std::string::npos) << refused.error().text();
}

// RFC 8032 7.1, the first test; its SubjectPublicKeyInfo was hashed with the openssl program.
TEST(KeyPair, OfAnAdministratorIsKnownByItsPublicKey) {
  constexpr std::array<std::uint8_t, 32> kSeed{0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                               0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                               0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
  constexpr std::array<std::uint8_t, 32> kPublic{0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
                                                 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
                                                 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
  const auto made = key_pair_of(kSeed);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->hash, hash_of_ed25519(kPublic));
  const auto read = parse_key_pair(made->pem);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->hash, made->hash);
  EXPECT_EQ(hash_text(made->hash), "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9");
}

TEST(KeyPair, KnowsTheHashOfNothing) {  // FIPS 180-4's example of the empty message
  EXPECT_EQ(hash_text(hash_of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_FALSE(parse_hash("e3b0"));
  EXPECT_FALSE(parse_hash(std::string(64, 'g')));
}

}  // namespace
}  // namespace krait::wire
