#include "common/event/line_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "common/file.h"

namespace common {
namespace {

class LineStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
    loop_ = Loop::create().value();
  }
  void start(std::string input = {}) {
    stream_ = LineStream::create(*loop_, std::move(ours_), std::move(input),
                                 {.line =
                                      [this](std::string_view line) {
                                        lines_.emplace_back(line);
                                        if (lines_.size() == wanted_lines_) {
                                          loop_->stop();
                                        }
                                      },
                                  .drained = {},
                                  .closed =
                                      [this] {
                                        is_closed_ = true;
                                        stream_.reset();
                                        loop_->stop();
                                      }})
                  .value();
  }
  void say(std::string_view text) { ASSERT_TRUE(write_all(theirs_.get(), text, "the other end")); }
  std::string hear_all() { return read_to_end(theirs_.get(), 1U << 24U, "the other end").value(); }

  Fd ours_;
  Fd theirs_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<LineStream> stream_;
  std::vector<std::string> lines_;
  std::size_t wanted_lines_ = 0;
  bool is_closed_ = false;
};

TEST_F(LineStreamTest, TellsWhatCameBeforeAndWhatComes) {
  start("one\ntw");
  say("o\nthree\n");
  wanted_lines_ = 3;
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(lines_, (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(LineStreamTest, FinishesWhenAllHasLeft) {
  start();
  stream_->send("a\n");
  stream_->send("b\n");
  stream_->finish();
  ASSERT_TRUE(loop_->run());
  EXPECT_TRUE(is_closed_);
  EXPECT_EQ(hear_all(), "a\nb\n");
}

TEST_F(LineStreamTest, TellsThatTheOtherEndIsGone) {
  start();
  say("last\n");
  theirs_.reset();
  ASSERT_TRUE(loop_->run());
  EXPECT_TRUE(is_closed_);
  EXPECT_EQ(lines_, std::vector<std::string>{"last"});
}

TEST_F(LineStreamTest, CutsOffWhoDoesNotRead) {
  start();
  const std::string line(kMaxWaitingBytes, 'x');
  stream_->send(line);
  stream_->send(line);
  stream_->send(line);
  ASSERT_TRUE(loop_->run());
  EXPECT_TRUE(is_closed_);
}

TEST_F(LineStreamTest, CutsOffWhoNeverEndsALine) {
  start(std::string(kMaxLineBytes + 1, 'x'));
  ASSERT_TRUE(loop_->run());
  EXPECT_TRUE(is_closed_);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(LineStreamTest, LeavesOthersTheirTurn) {
  constexpr std::size_t kLines = 60'000;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Fd client(ends[1]);
  start(std::string(kLines, '\n'));
  std::size_t told_before = kLines;
  const auto other = LineStream::create(
      *loop_, Fd(ends[0]), "hello\n",
      {.line = [&](std::string_view /*line*/) { told_before = lines_.size(); }, .drained = {}, .closed = [] {}});
  ASSERT_TRUE(other);
  wanted_lines_ = kLines;
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(lines_.size(), kLines);
  EXPECT_LT(told_before, 1000U);
}

}  // namespace
}  // namespace common
