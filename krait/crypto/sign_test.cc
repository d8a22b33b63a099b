#include "krait/crypto/sign.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>

#include "common/test_folder.h"

namespace krait::crypto {
namespace {

std::array<std::uint8_t, 32> from_hex(std::string_view hex) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return bytes;
}

constexpr std::array<std::uint8_t, 5> kMessage{1, 2, 3, 4, 5};

TEST(SignTest, HasTheKeyOfRfc8032) {
  // RFC 8032 7.1, test 1.
  const auto key =
      SigningKey::of(Secret::of(from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")));
  EXPECT_EQ(key.verify_key().bytes, from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
}

TEST(SignTest, VerifiesForItsDomainMessageAndKeyOnly) {
  const auto key = SigningKey::generate();
  const Signature signature = key.sign("krait test", kMessage);
  EXPECT_TRUE(verify(key.verify_key(), "krait test", kMessage, signature));
  EXPECT_FALSE(verify(key.verify_key(), "krait tests", kMessage, signature));
  EXPECT_FALSE(verify(key.verify_key(), "krait test", std::span(kMessage).first(4), signature));
  EXPECT_FALSE(verify(SigningKey::generate().verify_key(), "krait test", kMessage, signature));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Signature forged = signature;
    forged[i] ^= 1U;
    EXPECT_FALSE(verify(key.verify_key(), "krait test", kMessage, forged)) << i;
  }
}

// A message that begins where the domain ends must not pass for one of another domain.
TEST(SignTest, KeepsDomainAndMessageApart) {
  const auto key = SigningKey::generate();
  const std::array<std::uint8_t, 2> with_zero{'b', 0};
  const Signature signature = key.sign("a", with_zero);
  EXPECT_FALSE(verify(key.verify_key(), "ab", std::span(with_zero).subspan(1), signature));
}

TEST(SignTest, TakesNoKeyOfSmallOrder) {
  Signature nothing{};
  nothing[0] = 1;
  EXPECT_FALSE(verify(VerifyKey{from_hex("0100000000000000000000000000000000000000000000000000000000000000")},
                      "krait test", kMessage, nothing));
}

TEST(SignTest, ReadsBackWhatItSavedAndRefusesFilesOfOthers) {
  const common::TestFolder folder;
  const std::string path = folder.at("admin.key");
  const auto key = SigningKey::generate();
  ASSERT_TRUE(key.save(path));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_FALSE(key.save(path)) << "a key is never overwritten";
  const auto loaded = SigningKey::load(path, "a test");
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ(loaded->verify_key(), key.verify_key());
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const auto refused = SigningKey::load(path, "a test");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("chmod 600"), std::string::npos) << refused.error().text();
}

TEST(SignTest, ReadsOnlyTheOneTextOfAKey) {
  const VerifyKey key = SigningKey::generate().verify_key();
  EXPECT_EQ(parse_verify_key(verify_key_text(key)), key);
  EXPECT_FALSE(parse_verify_key(verify_key_text(key) + "A"));
  EXPECT_FALSE(parse_verify_key(verify_key_text(key).substr(1)));
}

}  // namespace
}  // namespace krait::crypto
