#include "krait/crypto/hash.h"

#include <gtest/gtest.h>

#include <array>

namespace krait::crypto {
namespace {

// From Python's hashlib.blake2b(b"abc", digest_size=32, person=b"krait test").
constexpr std::string_view kOfAbc = "icXJSyktNsZRQBISbcJCcKKhjNelZO47b6vkc3Xgue0";

TEST(HashTest, IsBlake2bWithTheDomainAsPersonalization) { EXPECT_EQ(hash_text(hash_of("krait test", "abc")), kOfAbc); }

TEST(HashTest, DependsOnTheDomainAndNotOnWherePiecesEnd) {
  EXPECT_NE(hash_of("krait test", "abc"), hash_of("krait tes", "abc"));
  const std::array<std::uint8_t, 3> abc{'a', 'b', 'c'};
  const std::array<std::span<const std::uint8_t>, 2> pieces{std::span(abc).first(1), std::span(abc).subspan(1)};
  EXPECT_EQ(hash_of("krait test", pieces), hash_of("krait test", "abc"));
}

TEST(HashTest, ReadsOnlyTheOneTextOfAHash) {
  const Hash hash = hash_of("krait test", "abc");
  const std::string text = hash_text(hash);
  EXPECT_EQ(parse_hash(text), hash);
  std::string other_padding = text;
  other_padding.back() = other_padding.back() == 'A' ? 'B' : static_cast<char>(other_padding.back() + 1);
  for (const std::string& wrong : {std::string(), text + "=", text.substr(1), text + "A", other_padding,
                                   std::string(42, 'A') + "+", std::string(42, 'A') + "\xc3"}) {
    EXPECT_FALSE(parse_hash(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace krait::crypto
