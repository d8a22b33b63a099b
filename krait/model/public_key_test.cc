#include "krait/model/public_key.h"

#include <gtest/gtest.h>

namespace krait::model {
namespace {

constexpr const char* kPublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

TEST(PublicKey, ReadsItsOwnTextAndNothingElse) {
  const auto key = parse_public_key(kPublic);
  ASSERT_TRUE(key);
  EXPECT_EQ(key_text(*key), kPublic);
  for (const std::string& text :
       {std::string(), std::string(kPublic) + "\n", std::string(kPublic, 43), std::string(44, '!'),
        std::string(44, 'A'), "AAAAA\xcc" + std::string(37, 'A') + "="}) {
    EXPECT_FALSE(parse_public_key(text)) << text;
  }
}

}  // namespace
}  // namespace krait::model
