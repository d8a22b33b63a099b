#include "krait/crypto/key_check.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "krait/crypto/secret.h"

namespace krait::crypto {
namespace {

std::array<std::uint8_t, 32> from_hex(std::string_view hex) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return bytes;
}

// Those of RFC 7748 6.1, of RFC 8032 7.1, and of Secrets.
TEST(KeyCheckTest, TakesKeys) {
  EXPECT_TRUE(is_x25519_key(from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")));
  EXPECT_TRUE(is_x25519_key(from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")));
  EXPECT_TRUE(is_ed25519_key({from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")}));
  EXPECT_TRUE(is_ed25519_key({from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")}));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(is_x25519_key(Secret::random().x25519_public_key()));
    EXPECT_TRUE(is_ed25519_key(SigningKey::generate().verify_key()));
  }
}

// The u-coordinates of small order, and what is the same modulo 2^255 - 19; the highest bit does not count.
TEST(KeyCheckTest, TakesNoPointOfSmallOrderForX25519) {
  for (const std::string_view key : {
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0100000000000000000000000000000000000000000000000000000000000000",
           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
           "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "0000000000000000000000000000000000000000000000000000000000000080",
       }) {
    EXPECT_FALSE(is_x25519_key(from_hex(key))) << key;
  }
}

TEST(KeyCheckTest, TakesNothingElseForEd25519) {
  for (const std::string_view key : {
           "0100000000000000000000000000000000000000000000000000000000000000",  // of order 1, 2, 4, 8
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "0000000000000000000000000000000000000000000000000000000000000000",
           "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
           "0200000000000000000000000000000000000000000000000000000000000000",  // off the curve
           "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
       }) {
    EXPECT_FALSE(is_ed25519_key({from_hex(key)})) << key;
  }
}

}  // namespace
}  // namespace krait::crypto
