#include "krait/config/guard.h"

#include <gtest/gtest.h>

#include <string>

namespace krait::config {
namespace {

constexpr std::size_t kPlenty = std::size_t{1} << 30U;

std::string answer(std::string_view text) {
  const auto refusal = refuse(text, {kPlenty, "fix it"});
  return refusal ? std::to_string(refusal->at.line) + ":" + std::to_string(refusal->at.column) + " " +
                       refusal->fault.message
                 : "fine";
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) {
    result += text;
  }
  return result;
}

TEST(Guard, LetsTomlThrough) {
  for (const std::string_view text :
       {"", "\n", "a = 1", "# [[[[[[[[[[[[[[[[[[[[[", "a = \"[[[[[[[[[[[[[[[[[[[[[[[[[\"",
        "a = '[[[[[[[[[[[[[[[[[[[[[\\'", "a = \"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[\"",
        "a = \"\"\"[[[[[[[[[[[[[[[\n[[[[[[[\"\"\"", "a = '''[[[[[[[[[[[[[\n[[[[[[[''''",
        "a = \"\"\"x\\\"\"\"[[[[[[[[[[[[[[[[[[[[[[[[\"\"\"\"\"", "a = \"\"\"\"\"\"\nb = ''\nc = \"\"",
        "[a]\r\nb = [1.5, 2.5]\r\n", "a = \"caf\xc3\xa9 \xf0\x9f\x98\x80\" # \xe2\x82\xac", "a = \"\\\\\"\nb = 1",
        "a = [[1], [2]]", "[[a.b]]\nc.d = { e = 1, f = [{ g = 1 }] }", "a = \"\"\"\\\n  b\"\"\"", "\ta\t=\t'\t'"}) {
    EXPECT_EQ(answer(text), "fine") << text;
  }
}

TEST(Guard, RefusesWhatIsNoText) {
  EXPECT_EQ(answer(std::string_view("a = 1\n\0", 7)), "2:1 control character 0x00");
  EXPECT_EQ(answer("a = \"\x1b\""), "1:6 control character 0x1b");
  EXPECT_EQ(answer("# \x7f"), "1:3 control character 0x7f");
  EXPECT_EQ(answer("a = 1\rb = 2"), "1:6 control character 0x0d");
  for (const std::string_view bytes :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x82", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_NE(answer("# " + std::string(bytes)).find("is not UTF-8"), std::string::npos);
    EXPECT_NE(answer("'" + std::string(bytes) + "'").find("is not UTF-8"), std::string::npos);
  }
  EXPECT_EQ(answer("\xc3\xa9 = 1"), "1:1 a character that is not ASCII stands outside of quotes");
}

TEST(Guard, CountsCharactersNotBytes) { EXPECT_EQ(answer("# \xc3\xa9\xe2\x82\xac\x01"), "1:5 control character 0x01"); }

TEST(Guard, RefusesDepth) {
  EXPECT_EQ(answer("a = " + repeated("[", 16) + repeated("]", 16)), "fine");
  EXPECT_EQ(answer("a = " + repeated("[", 17) + repeated("]", 17)), "1:5 more than 15 brackets open inside this one");
  EXPECT_EQ(answer("\na = " + repeated("{b=", 100000)), "2:5 more than 15 brackets open inside this one");
  EXPECT_EQ(answer("a" + repeated(".a", 15) + " = 1"), "fine");
  EXPECT_EQ(answer("a" + repeated(".a", 16) + " = 1"), "1:32 a key of more than 16 parts");
  EXPECT_EQ(answer("[a" + repeated(". 'a' ", 100000) + "]"), "1:93 a key of more than 16 parts");
}

TEST(Guard, RefusesWhatCostsQuadraticTime) {
  EXPECT_EQ(answer(repeated("[[p]]\n[[p.a]]\n", 65536)), "fine");
  EXPECT_NE(answer(repeated("[[p]]\n[[p.a]]\n", kMaxDots + 1)).find("dotted keys"), std::string::npos);
  EXPECT_NE(answer(repeated("a.b.c.d.e = 1\n", kMaxDots / 4 + 1)).find("dotted keys"), std::string::npos);
  std::string headers;
  for (std::size_t i = 0; i <= kMaxHeaders; ++i) {
    headers += "[[a" + std::to_string(i) + "]]\n";
  }
  EXPECT_EQ(answer(headers), "65:1 more than 64 different tables");
  EXPECT_EQ(answer(repeated("[['x']]\n", 100)), "65:1 more than 64 different tables");
  EXPECT_EQ(answer(repeated("[[rule]] # always another comment\n", 100'000)), "fine");
}

TEST(Guard, RefusesWhatTakesTooMuchMemoryToRead) {
  const Memory memory{std::size_t{1} << 20U, "fix it"};
  EXPECT_FALSE(refuse("a = [" + repeated("1,", 6'000) + "]", memory));
  EXPECT_FALSE(refuse("# " + repeated("=,[]{}", 80'000), memory)) << "a comment makes no values";
  for (const std::string& text : {"a = [" + repeated("1,", 7'000) + "]", repeated("a = 1\n", 4'200),
                                  repeated("[[a]]\n", 5'500), "a = '" + repeated("x", 600'000) + "'"}) {
    const auto refusal = refuse(text + "\nb = 1", memory);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->fault.message, "reading this file takes more than the limit of 1 MiB of memory");
    EXPECT_EQ(refusal->fault.hint, "fix it");
  }
}

TEST(Guard, SaysWhereAnOpenEndBegins) {
  EXPECT_EQ(answer("a = 1\nb = \"x\nc = \"y\""), "2:5 this string is not closed on its line");
  EXPECT_EQ(answer("b = 'x"), "1:5 this string is not closed on its line");
  EXPECT_EQ(answer("b = \"x\\"), "1:5 this string is not closed on its line");
  EXPECT_EQ(answer("b = \"x\\\nc = 1"), "1:5 this string is not closed on its line");
  EXPECT_EQ(answer("b = \"\"\"x\n\"\" "), "1:5 this string is not closed");
  EXPECT_EQ(answer("a = [1,\nb = 2"), "1:5 this [ is not closed");
  EXPECT_EQ(answer("[[rule]\nname = 'x'"), "1:1 this [ is not closed");
  EXPECT_EQ(answer("a = [1, 2"), "1:5 this [ is not closed");
  EXPECT_EQ(answer("a = { b = 1"), "1:5 this { is not closed");
}

}  // namespace
}  // namespace krait::config
