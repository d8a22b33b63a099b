#include "common/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace common {
namespace {

TEST(Digest, TellsTextsApart) {
  const std::string text(100'000, 'a');
  EXPECT_EQ(Digest::of(text), Digest::of(std::string(text)));
  for (const std::size_t at : {std::size_t{0}, text.size() / 2, text.size() - 1}) {
    std::string other = text;
    other[at] = 'b';
    EXPECT_NE(Digest::of(text), Digest::of(other)) << at;
  }
  EXPECT_NE(Digest::of(text), Digest::of(text.substr(1)));
  EXPECT_NE(Digest::of(""), Digest::of(std::string_view("\0", 1)));
}

TEST(DigesterTest, GivesWhatTheWholeTextGives) {
  std::string text;
  Digester digester;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    text += piece;
    digester.add(piece);
    ASSERT_EQ(digester.digest(), Digest::of(text)) << i;
  }
}

}  // namespace
}  // namespace common
