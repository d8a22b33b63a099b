#include "krait/wire/key_pair.h"

#include <gtest/gtest.h>

namespace krait::wire {
namespace {

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

TEST(KeyPair, KnowsTheHashOfNothing) {  // FIPS 180-4's example of the empty message
  EXPECT_EQ(hash_text(hash_of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_FALSE(parse_hash("e3b0"));
  EXPECT_FALSE(parse_hash(std::string(64, 'g')));
}

}  // namespace
}  // namespace krait::wire
