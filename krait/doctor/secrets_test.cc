#include "krait/doctor/secrets.h"

#include <gtest/gtest.h>

#include "krait/doctor/archive.h"
#include "krait/wireguard/wireguard.h"

namespace krait::doctor {
namespace {

model::PublicKey key_of(std::uint8_t first) {
  model::PublicKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(first + i);
  }
  return key;
}

std::string hex_of(const model::PublicKey& key, bool upper) {
  std::string text;
  for (const std::uint8_t byte : key) {
    constexpr std::string_view kLower = "0123456789abcdef";
    constexpr std::string_view kUpper = "0123456789ABCDEF";
    text += (upper ? kUpper : kLower)[byte >> 4U];
    text += (upper ? kUpper : kLower)[byte & 15U];
  }
  return text;
}

class SecretsTest : public testing::Test {
 protected:
  SecretsTest() { secrets_.add(secret_.data()); }
  std::string cleaned(const std::string& text) { return without_secrets(text, secrets_, {public_}); }

  model::PublicKey secret_ = key_of(200);
  model::PublicKey public_ = key_of(7);
  Secrets secrets_;
};

TEST_F(SecretsTest, LeavesOutASecretHoweverItIsWritten) {
  const std::string raw(reinterpret_cast<const char*>(secret_.data()), secret_.size());
  for (const std::string& form : {raw, model::key_text(secret_), hex_of(secret_, false), hex_of(secret_, true)}) {
    EXPECT_EQ(cleaned("key = \"" + form + "\"\n" + form), "key = \"[left out]\"\n[left out]");
  }
}

TEST_F(SecretsTest, KeepsPublicKeysAndLeavesOutUnknownOnes) {
  const std::string text = "public_key = \"" + model::key_text(public_) + "\"";
  EXPECT_EQ(cleaned(text), text);
  EXPECT_EQ(cleaned("x=" + model::key_text(key_of(90))), "x=[left out]");
}

TEST_F(SecretsTest, ASecretIsOneEvenWhereItIsCalledPublic) {
  EXPECT_EQ(without_secrets(model::key_text(secret_), secrets_, {secret_}), "[left out]");
}

TEST_F(SecretsTest, KeepsEverythingElse) {
  const std::string text = "rule = \"web to db\" 0011223344556677 /etc/krait/krait.toml\n";
  EXPECT_EQ(cleaned(text), text);
}

TEST(PackTest, MakesAGzippedArchive) {
  const auto bytes = pack("folder", {{"a.txt", "text"}, {"empty", ""}}, 1'790'000'000);
  ASSERT_TRUE(bytes) << bytes.error().text();
  ASSERT_GT(bytes->size(), 20U);
  EXPECT_EQ(bytes->substr(0, 2), "\x1f\x8b");
}

}  // namespace
}  // namespace krait::doctor
