#include "krait/plan/clock_keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/test_folder.h"

namespace krait::plan {
namespace {

constexpr std::int64_t kS = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kS;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ClockKeeperTest : public testing::Test {
 protected:
  // What an agent of another boot has left: it has seen a time that is so much later than now.
  void put_record(std::int64_t ahead_ns) const {
    const std::int64_t seen_ns = common::now().unix_ns + ahead_ns;
    std::ofstream(path_) << model::record_text({.boot_id = "00000000-0000-0000-0000-000000000000",
                                                .boot_ns = 1,
                                                .latest = {.any_ns = seen_ns, .synchronized_ns = seen_ns}});
  }
  [[nodiscard]] bool is_ahead() const { return ClockKeeper(path_).look({}).clock_is_wrong(); }

  common::TestFolder folder_;
  std::string path_ = folder_.at("latest_time");
};

TEST_F(ClockKeeperTest, GoesByTheClockWhereNothingWasSeen) {
  ClockKeeper keeper(path_);
  const model::KnownTime known = keeper.look({folder_.at("none.toml")});
  EXPECT_EQ(known.source, model::TimeSource::clock);
  EXPECT_EQ(known.now.unix_ns, known.clock_ns);
  keeper.save();
  EXPECT_EQ(keeper.trouble(), "");
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0644U);
  EXPECT_FALSE(is_ahead());
}

TEST_F(ClockKeeperTest, HoldsAnEarlierClockForTheTimeThatWasSeen) {
  put_record(2 * kDay);
  ClockKeeper keeper(path_);
  const model::KnownTime known = keeper.look({});
  EXPECT_TRUE(known.clock_is_wrong());
  EXPECT_EQ(known.source, model::TimeSource::earlier);
  EXPECT_GE(keeper.now().now.unix_ns, known.now.unix_ns);  // and it goes on
  keeper.save();
  EXPECT_TRUE(is_ahead());
}

TEST_F(ClockKeeperTest, ForgetsWhatSomebodyTakesAway) {
  put_record(2 * kDay);
  ClockKeeper keeper(path_);
  ClockKeeper other(path_);
  EXPECT_TRUE(keeper.look({}).clock_is_wrong());
  EXPECT_TRUE(other.look({}).clock_is_wrong());
  keeper.save();
  EXPECT_TRUE(other.look({}).clock_is_wrong());
  ::unlink(path_.c_str());
  EXPECT_FALSE(keeper.look({}).clock_is_wrong());
  keeper.save();
  EXPECT_FALSE(other.look({}).clock_is_wrong());  // which has not seen that it was away
}

TEST_F(ClockKeeperTest, GoesByTheFilesThatAreRead) {
  const std::string policy = folder_.at("policy.toml");
  std::ofstream(policy) << "";
  const timespec times[2] = {{0, UTIME_NOW}, {(common::now().unix_ns + 2 * kDay) / kS, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, policy.c_str(), times, 0), 0);
  ClockKeeper keeper(path_);
  const model::KnownTime known = keeper.look({folder_.at("krait.toml"), policy});
  if (known.synchronized) {
    EXPECT_EQ(known.source, model::TimeSource::clock);
    GTEST_SKIP() << "this machine's clock is kept by NTP";
  }
  EXPECT_EQ(known.source, model::TimeSource::file);
  EXPECT_EQ(known.file, policy);
}

TEST_F(ClockKeeperTest, BelievesNoLink) {
  put_record(2 * kDay);
  const std::string elsewhere = folder_.at("elsewhere");
  ASSERT_EQ(::rename(path_.c_str(), elsewhere.c_str()), 0);
  const std::string text = text_of(elsewhere);
  ASSERT_EQ(::symlink(elsewhere.c_str(), path_.c_str()), 0);
  ClockKeeper keeper(path_);
  EXPECT_FALSE(keeper.look({}).clock_is_wrong());
  EXPECT_EQ(keeper.trouble(), path_ + " is a link, and is not followed");
  keeper.save();
  EXPECT_EQ(text_of(elsewhere), text);
  EXPECT_FALSE(std::filesystem::is_symlink(path_));
  ::unlink(path_.c_str());
  ASSERT_EQ(::link(elsewhere.c_str(), path_.c_str()), 0);
  EXPECT_FALSE(is_ahead());
}

TEST_F(ClockKeeperTest, BelievesNothingThatOthersMayWrite) {
  put_record(2 * kDay);
  EXPECT_TRUE(is_ahead());
  ::chmod(path_.c_str(), 0666);
  ClockKeeper keeper(path_);
  EXPECT_FALSE(keeper.look({}).clock_is_wrong());
  EXPECT_EQ(keeper.trouble(), path_ + " may be written by others, and is not believed");
  ::chmod(path_.c_str(), 0644);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
    EXPECT_FALSE(is_ahead());
  }
}

TEST_F(ClockKeeperTest, BelievesNothingElse) {
  std::ofstream(path_) << "tomorrow\n";
  ClockKeeper keeper(path_);
  EXPECT_FALSE(keeper.look({}).clock_is_wrong());
  EXPECT_EQ(keeper.trouble(), path_ + " is not what krait wrote");
  ::unlink(path_.c_str());
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);  // must not block
  EXPECT_FALSE(is_ahead());
}

TEST_F(ClockKeeperTest, WorksWithoutItsFolder) {
  ClockKeeper keeper(folder_.at("none/latest_time"));
  EXPECT_EQ(keeper.look({}).source, model::TimeSource::clock);
  EXPECT_EQ(keeper.trouble(), "");
  keeper.save();
  EXPECT_NE(keeper.trouble().find("No such file"), std::string::npos) << keeper.trouble();
}

}  // namespace
}  // namespace krait::plan
