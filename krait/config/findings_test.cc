#include "krait/config/findings.h"

#include <gtest/gtest.h>

#include <array>

namespace krait::config {
namespace {

TEST(Findings, AreTheFirstTwentyByPosition) {
  Findings findings("f");
  EXPECT_TRUE(findings.empty());
  for (std::uint32_t line = 100; line >= 1; --line) {
    findings.add({line, 1}, "x");
  }
  EXPECT_TRUE(findings.settled({20, 1}));
  EXPECT_FALSE(findings.settled({19, 9}));
  findings.add({7, 2}, "y");
  const auto error = std::move(findings).take();
  const auto& found = error.diagnostics();
  ASSERT_EQ(found.size(), kMaxFindings);
  EXPECT_EQ(found[0].line, 1U);
  EXPECT_EQ(found[7].text(), "f:7:2: y");
  EXPECT_EQ(found[19].line, 19U);
  EXPECT_EQ(found[19].text(), "f:19:1: x; at most 20 are shown, so check again then");
}

TEST(InQuotes, ShowsHostileTextHarmlessly) {
  EXPECT_EQ(in_quotes("web"), "\"web\"");
  EXPECT_EQ(in_quotes("\x1b[31m\n"), "\"\\x1b[31m\\x0a\"");
  EXPECT_EQ(in_quotes("a\xc2\x9b"), "\"a\\x9b\"");
  EXPECT_EQ(in_quotes("caf\xc3\xa9"), "\"caf\xc3\xa9\"");
  EXPECT_EQ(in_quotes(std::string(64, 'a')), "\"" + std::string(64, 'a') + "\"");
  EXPECT_EQ(in_quotes(std::string(65, 'a')), "\"" + std::string(64, 'a') + "...\"");
  EXPECT_EQ(in_quotes(std::string(63, 'a') + "\xc3\xa9"),
            "\"" + std::string(63, 'a') + "...\"");  // not half a character
}

TEST(Nearest, FindsSlipsOnly) {
  constexpr auto kNames = std::to_array<std::string_view>({"name", "action", "from", "to", "ports"});
  EXPECT_EQ(nearest("nmae", kNames), "name");
  EXPECT_EQ(nearest("form", kNames), "from");
  EXPECT_EQ(nearest("port", kNames), "ports");
  EXPECT_EQ(nearest("actions", kNames), "action");
  EXPECT_EQ(nearest("colour", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest(std::string(1000, 'a'), kNames), "");
  EXPECT_EQ(nearest("a", {}), "");
}

}  // namespace
}  // namespace krait::config
