#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/safe_text.h"
#include "common/test_folder.h"
#include "krata/console/lines.h"
#include "krata/console/log_file.h"

namespace krata::console {
namespace {

TEST(SafeText, LeavesTextAndNoOrders) {
  EXPECT_EQ(common::safe_text("plain\ttext, \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9f"),
            "plain\ttext, \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9f");
  EXPECT_EQ(common::safe_text("\x1b]0;title\x07\x1b[2J"), "\\x1b]0;title\\x07\\x1b[2J");
  EXPECT_EQ(common::safe_text("a\rb\n\x7f"), "a\\x0db\\x0a\\x7f");
  EXPECT_EQ(common::safe_text("\xc2\x9b"
                              "31m"),
            "\\u{9b}31m")
      << "CSI as one character";
  EXPECT_EQ(common::safe_text("\xe2\x80\xaegnp.exe"), "\\u{202e}gnp.exe");
  EXPECT_EQ(common::safe_text("\x9b\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3"),
            "\\x9b\\xff\\xc0\\x80\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xc3");
}

TEST(Lines, TextAndBack) {
  const Line line{.unix_us = 1'769'860'800'000'001,
                  .stream = Stream::error,
                  .is_whole = false,
                  .run = 3,
                  .offset = 17,
                  .text = " a b"};
  EXPECT_EQ(line_text(line), "2026-01-31T12:00:00.000001Z err P 3 17  a b\n");
  EXPECT_EQ(parse_line("2026-01-31T12:00:00.000001Z err P 3 17  a b"), line);
  for (const char* text : {"", "x", "2026-01-31T12:00:00.000001Z err P 3", "2026-01-31T12:00:00Z out F 1 1 a",
                           "2026-01-31T12:00:00.000001Z in F 1 1 a", "2026-01-31T12:00:00.000001Z out X 1 1 a",
                           "2026-01-31T12:00:00.000001Z out F 1 -1 a"}) {
    EXPECT_EQ(parse_line(text), std::nullopt) << text;
  }
}

std::vector<std::string> texts(const std::vector<Line>& lines) {
  std::vector<std::string> list;
  for (const Line& line : lines) {
    list.push_back(std::string(name_of(line.stream)) + (line.is_whole ? " F " : " P ") + std::to_string(line.offset) +
                   " " + line.text);
  }
  return list;
}

TEST(LineMaker, ComesInPiecesOfTwoStreams) {
  LineMaker maker(1, 10);
  std::vector<Line> lines;
  maker.add(Stream::output, "one\r\ntw", 1, lines);
  maker.add(Stream::output, "o", 2, lines);
  maker.add(Stream::error, "oops\n", 3, lines);
  maker.add(Stream::output, "\nend", 4, lines);
  maker.finish(5, lines);
  EXPECT_EQ(texts(lines),
            (std::vector<std::string>{"out F 15 one", "out P 18 two", "err F 23 oops", "out F 24 ", "out P 27 end"}));
}

TEST(LineMaker, ALongLineComesInSeveral) {
  LineMaker maker(1, 0);
  std::vector<Line> lines;
  maker.add(Stream::output, std::string(2 * kMaxLineBytes + 1, 'a') + "\n", 1, lines);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_FALSE(lines[0].is_whole);
  EXPECT_TRUE(lines[2].is_whole);
  EXPECT_EQ(lines[2].text, "a");
  EXPECT_EQ(lines[2].offset, 2 * kMaxLineBytes + 2);
}

class LogTest : public testing::Test {
 protected:
  static Line line(std::uint64_t offset) {
    return {.unix_us = 1'769'860'800'000'000, .offset = offset, .text = "line " + std::to_string(offset)};
  }
  static std::vector<std::uint64_t> read(LogReader& reader) {
    std::vector<std::uint64_t> offsets;
    for (auto lines = reader.next().value(); !lines.empty(); lines = reader.next().value()) {
      for (const Line& found : lines) {
        offsets.push_back(found.offset);
      }
    }
    return offsets;
  }

  common::TestFolder folder_;
  std::string path_ = folder_.at("log");
};

TEST_F(LogTest, GoesOnWhereItWas) {
  {
    auto log = LogFile::open(path_).value();
    EXPECT_EQ(log.offset(1), 0U);
    ASSERT_TRUE(log.append(std::vector{line(1), line(2)}));
  }
  std::ofstream(path_, std::ios::app) << "2026-01-31T12:00:00.000000Z out F 1 9 half of a li";
  auto log = LogFile::open(path_).value();
  EXPECT_EQ(log.offset(1), 2U);
  EXPECT_EQ(log.offset(2), 0U) << "each run counts anew";
  ASSERT_TRUE(log.append(std::vector{line(3)}));
  LogReader reader(path_);
  EXPECT_EQ(read(reader), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(LogTest, IsBoundedAndReadOnAcrossRotations) {
  auto log = LogFile::open(path_, 2000).value();
  LogReader reader(path_);
  EXPECT_EQ(read(reader), std::vector<std::uint64_t>{});
  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> seen;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(log.append(std::vector{line(i)}));
    all.push_back(i);
    if (i % 10 == 0) {
      const auto more = read(reader);
      seen.insert(seen.end(), more.begin(), more.end());
    }
  }
  EXPECT_EQ(seen, all);
  EXPECT_LE(std::filesystem::file_size(path_), 2000U);
  EXPECT_LE(std::filesystem::file_size(path_ + ".1"), 2000U);
  LogReader again(path_);
  const auto kept = read(again);
  EXPECT_EQ(kept.back(), 200U);
  EXPECT_GT(kept.size(), 40U);
}

TEST_F(LogTest, KnowsItsOffsetRightAfterARotation) {
  {
    auto log = LogFile::open(path_, 10).value();
    ASSERT_TRUE(log.append(std::vector{line(5)}));
  }
  std::filesystem::rename(path_, path_ + ".1");
  EXPECT_EQ(LogFile::open(path_).value().offset(1), 5U);
}

}  // namespace
}  // namespace krata::console
