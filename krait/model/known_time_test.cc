#include "krait/model/known_time.h"

#include <gtest/gtest.h>

#include <string>

namespace krait::model {
namespace {

constexpr std::int64_t kS = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kS;
constexpr std::int64_t kBuilt = 1'780'000'000 * kS;
constexpr std::int64_t kWildNs = kBuilt + 60 * 365 * kDay;  // a clock that was set at random
const std::string kBoot = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";

Evidence evidence(std::int64_t clock_ns) {
  return {.clock = {.unix_ns = clock_ns, .boot_ns = 50},
          .synchronized = false,
          .built_ns = kBuilt,
          .latest = {},
          .files = {}};
}

TEST(KnownTimeTest, IsTheClocksWhereNothingIsLater) {
  Evidence seen = evidence(kBuilt + 9 * kDay);
  seen.files = {{"policy.toml", kBuilt + 8 * kDay}};
  seen.latest.any_ns = kBuilt + 7 * kDay;
  const KnownTime known = known_time(seen);
  EXPECT_EQ(known.now.unix_ns, kBuilt + 9 * kDay);
  EXPECT_EQ(known.now.boot_ns, 50U);
  EXPECT_EQ(known.source, TimeSource::clock);
  EXPECT_FALSE(known.clock_is_wrong());
  EXPECT_EQ(known.latest.any_ns, kBuilt + 9 * kDay);
}

TEST(KnownTimeTest, IsTheLatestOfAll) {
  Evidence seen = evidence(1'577'836'810 * kS);  // 2020: the battery is dead
  EXPECT_EQ(known_time(seen).source, TimeSource::build);
  EXPECT_EQ(known_time(seen).now.unix_ns, kBuilt);
  seen.files = {{"krait.toml", kBuilt + 2 * kDay}, {"policy.toml", kBuilt + kDay}};
  EXPECT_EQ(known_time(seen).source, TimeSource::file);
  EXPECT_EQ(known_time(seen).file, "krait.toml");
  EXPECT_EQ(known_time(seen).now.unix_ns, kBuilt + 2 * kDay);
  EXPECT_EQ(known_time(seen).latest.any_ns, kBuilt + 2 * kDay);  // whatever becomes of the file
  seen.latest.any_ns = kBuilt + 3 * kDay;
  const KnownTime known = known_time(seen);
  EXPECT_EQ(known.source, TimeSource::earlier);
  EXPECT_EQ(known.now.unix_ns, kBuilt + 3 * kDay);
  EXPECT_TRUE(known.clock_is_wrong());
  EXPECT_EQ(known.behind_s(), (kBuilt + 3 * kDay) / kS - 1'577'836'810);
}

TEST(KnownTimeTest, NtpOverrulesWhatAnUnkeptClockShowed) {
  Evidence seen = evidence(kBuilt + kDay);
  seen.latest.any_ns = kBuilt + 400 * kDay;
  seen.files = {{"policy.toml", kBuilt + 300 * kDay}};
  EXPECT_TRUE(known_time(seen).clock_is_wrong());
  seen.synchronized = true;
  const KnownTime known = known_time(seen);
  EXPECT_EQ(known.now.unix_ns, kBuilt + kDay);
  EXPECT_EQ(known.latest, (LatestTimes{.any_ns = kBuilt + kDay, .synchronized_ns = kBuilt + kDay}));
}

TEST(KnownTimeTest, ButNotWhatNtpItselfHasSaid) {
  Evidence seen = evidence(kBuilt + kDay);
  seen.synchronized = true;
  seen.latest = {.any_ns = kBuilt + 2 * kDay, .synchronized_ns = kBuilt + 2 * kDay};
  EXPECT_EQ(known_time(seen).now.unix_ns, kBuilt + 2 * kDay);
  EXPECT_EQ(known_time(seen).latest, seen.latest);
  seen.clock.unix_ns = kBuilt - kDay;
  seen.latest = {};
  EXPECT_EQ(known_time(seen).source, TimeSource::build);
}

TEST(KnownTimeTest, WildTimesAreNotRemembered) {
  Evidence seen = evidence(kWildNs);
  seen.latest.any_ns = kBuilt + kDay;
  EXPECT_EQ(known_time(seen).now.unix_ns, kWildNs);  // rules end while the clock shows it
  EXPECT_EQ(known_time(seen).latest.any_ns, kBuilt + kDay);
  seen.synchronized = true;
  EXPECT_EQ(known_time(seen).latest.synchronized_ns, 0);
  seen = evidence(kBuilt + kDay);
  seen.files = {{"policy.toml", kWildNs}, {"krait.toml", -5}};
  EXPECT_EQ(known_time(seen).now.unix_ns, kBuilt + kDay);
}

TEST(TimeRecordTest, GoesOnWithinItsBoot) {
  const TimeRecord record{.boot_id = kBoot, .boot_ns = 100, .latest = {.any_ns = 1000, .synchronized_ns = 0}};
  EXPECT_EQ(latest_at(record, kBoot, 150), (LatestTimes{.any_ns = 1050, .synchronized_ns = 0}));
  EXPECT_EQ(latest_at(record, kBoot, 50), record.latest);
  EXPECT_EQ(latest_at(record, "another", 150), record.latest);
}

TEST(TimeRecordTest, IsReadAsItWasWritten) {
  const TimeRecord record{
      .boot_id = kBoot, .boot_ns = 123, .latest = {.any_ns = kBuilt + 7, .synchronized_ns = kBuilt + 5}};
  const auto read = parse_record(record_text(record), kBuilt);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, record);
}

TEST(TimeRecordTest, RefusesEverythingElse) {
  const std::string good = "krait-time-1 " + kBoot + " 123 1780000000000000007 1780000000000000005\n";
  ASSERT_TRUE(parse_record(good, kBuilt));
  const std::string head = "krait-time-1 " + kBoot;
  for (const std::string& text : {
           std::string(),
           good.substr(0, good.size() - 1),
           good + "\n",
           good + good,
           "krait-time-2" + good.substr(12),
           "krait-time-1 " + kBoot.substr(1) + " 1 2 1\n",
           "krait-time-1 " + kBoot.substr(1) + "/ 1 2 1\n",
           head + " 1 2\n",
           head + " 1 2 1 \n",
           head + " 1  2 1\n",
           head + " +1 2 1\n",
           head + " 01 2 1\n",
           head + " 1 -2 1\n",
           head + " 1 0x2 1\n",
           head + " 1 2 3\n",                     // kept by NTP, and later than any
           head + " 1 9223372036854775807 1\n",   // not believed
           head + " 1 99999999999999999999 1\n",  // no number of 64 bits
           head + " 18446744073709551615 2 1\n",  // no machine runs that long
           head + " 1 " + std::to_string(kWildNs) + " 1\n",
           std::string(300, '9'),
       }) {
    EXPECT_FALSE(parse_record(text, kBuilt)) << text;
  }
}

}  // namespace
}  // namespace krait::model
