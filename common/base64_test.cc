#include "common/base64.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace common {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Vector {
  std::string_view plain;
  std::string_view text;
};

// RFC 4648 section 10.
constexpr std::array<Vector, 7> kVectors{{{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}}};

TEST(Base64, MatchesTheVectorsOfTheRfc) {
  for (const auto& [plain, text] : kVectors) {
    EXPECT_EQ(to_base64(bytes_of(plain)), text);
    const auto back = from_base64(text);
    ASSERT_TRUE(back) << text;
    EXPECT_TRUE(std::ranges::equal(*back, bytes_of(plain))) << text;
  }
  EXPECT_EQ(to_base64(std::array<std::uint8_t, 3>{0xff, 0xef, 0xbe}), "/+++");
}

TEST(Base64, RefusesEverythingButTheOneText) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm9v=", "Zm9v====", "Zg=v",
                           "Zm\n=", "Zm8-", "Zm8_", " Zm8", "Zm9v\xc3\xa9", "Zg==Zg=="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

}  // namespace
}  // namespace common
