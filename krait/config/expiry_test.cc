#include "krait/config/expiry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <random>
#include <string>

namespace krait::config {
namespace {

using Kind = model::Expiry::Kind;

std::string said(std::string_view text) {
  const auto expiry = read_expiry(text);
  if (!expiry) {
    return expiry.error().message + "; " + expiry.error().hint;
  }
  return fmt::format("{} {}", expiry->kind == Kind::at ? "at" : "after", expiry->seconds);
}

TEST(Expiry, ReadsMoments) {
  EXPECT_EQ(said("1970-01-01T00:00:00Z"), "at 0");
  EXPECT_EQ(said("2026-12-01T00:00:00Z"), "at 1796083200");
  EXPECT_EQ(said("2026-12-01t00:00:00z"), "at 1796083200");
  EXPECT_EQ(said("2026-12-01 00:00:00Z"), "at 1796083200");
  EXPECT_EQ(said("2026-12-01T02:00:00+02:00"), "at 1796083200");
  EXPECT_EQ(said("2026-11-30T18:30:00-05:30"), "at 1796083200");
  EXPECT_EQ(said("2026-12-01T00:00:00-00:00"), "at 1796083200");
  EXPECT_EQ(said("2026-12-01T00:00:00.999999999999Z"), "at 1796083200");
  EXPECT_EQ(said("2000-02-29T23:59:59Z"), "at 951868799");
  EXPECT_EQ(said("9999-12-31T23:59:59Z"), fmt::format("at {}", kMaxExpirySeconds));
  EXPECT_EQ(said("1970-01-01T00:30:00+00:30"), "at 0");
}

TEST(Expiry, ReadsDurations) {
  EXPECT_EQ(said("1s"), "after 1");
  EXPECT_EQ(said("90m"), "after 5400");
  EXPECT_EQ(said("8h"), "after 28800");
  EXPECT_EQ(said("7d"), "after 604800");
  EXPECT_EQ(said("1w"), "after 604800");
  EXPECT_EQ(said("1h30m"), "after 5400");
  EXPECT_EQ(said("2w1d0h3m4s"), "after 1296184");
  EXPECT_EQ(said("3650d"), fmt::format("after {}", kMaxDurationSeconds));
  EXPECT_EQ(said("521w3d"), fmt::format("after {}", kMaxDurationSeconds));
  EXPECT_EQ(said("315360000s"), fmt::format("after {}", kMaxDurationSeconds));
}

TEST(Expiry, SaysWhatIsWrong) {
  EXPECT_EQ(said("2026-12-01"),
            R"(bad expires "2026-12-01": a date without a time of day; write "2026-12-01T00:00:00Z")");
  EXPECT_EQ(said("2026-12-01T00:00:00"),
            "bad expires \"2026-12-01T00:00:00\": a time without its offset from UTC; add Z for UTC, or an offset as "
            "in +02:00");
  EXPECT_EQ(said("2026-02-29T00:00:00Z"), R"(bad expires "2026-02-29T00:00:00Z": there is no day 29; write 01 to 28)");
  EXPECT_EQ(said("1969-12-31T23:59:59Z"),
            R"(bad expires "1969-12-31T23:59:59Z": there is no year 1969; write 1970 to 9999)");
  EXPECT_EQ(said("9999-12-31T23:59:59-00:01"),
            "bad expires \"9999-12-31T23:59:59-00:01\": in UTC not in the years 1970 to 9999; write a time in these "
            "years");
  EXPECT_EQ(said("1970-01-01T00:00:00+00:01"),
            "bad expires \"1970-01-01T00:00:00+00:01\": in UTC not in the years 1970 to 9999; write a time in these "
            "years");
  EXPECT_EQ(said("8"), R"(bad expires "8": a number without a unit; add s, m, h, d or w: "8h")");
  EXPECT_EQ(said("0h0s"), R"(bad expires "0h0s": no time at all; write at least 1s)");
  EXPECT_EQ(said("3650d1s"), R"(bad expires "3650d1s": more than 3650d; write a shorter duration, or a time)");
  EXPECT_EQ(said("30m1h"),
            "bad expires \"30m1h\": its units are not in order, or one stands twice; write w, d, h, m, s in this "
            "order, each at most once: \"1h30m\"");
}

TEST(Expiry, RefusesWithAMend) {
  for (const char* const text : {"",
                                 " ",
                                 "never",
                                 "-1h",
                                 "+1h",
                                 "1h ",
                                 " 1h",
                                 "1 h",
                                 "1.5h",
                                 "h",
                                 "1H",
                                 "1y",
                                 "1h1h",
                                 "1hh",
                                 "1h-1m",
                                 "1h+1m",
                                 "8h30",
                                 "99999999999999999999s",
                                 "9223372036854775807w",
                                 "315360001s",
                                 "2026-13-01T00:00:00Z",
                                 "2026-00-01T00:00:00Z",
                                 "2026-01-00T00:00:00Z",
                                 "2026-04-31T00:00:00Z",
                                 "2100-02-29T00:00:00Z",
                                 "2026-12-01T24:00:00Z",
                                 "2026-12-01T00:60:00Z",
                                 "2026-12-31T23:59:60Z",
                                 "2026-12-01T00:00Z",
                                 "2026-12-01T00:00:00.Z",
                                 "2026-12-01T00:00:00,5Z",
                                 "2026-12-01T00:00:00+2",
                                 "2026-12-01T00:00:00+0200",
                                 "2026-12-01T00:00:00+24:00",
                                 "2026-12-01T00:00:00+00:60",
                                 "2026-12-01T00:00:00ZZ",
                                 "2026-12-01T00:00:00Z ",
                                 "2026-12-01T",
                                 "2026-12-01_00:00:00Z",
                                 "2026-12-1T00:00:00Z",
                                 "2026-12",
                                 "20261201T000000Z",
                                 "12026-12-01T00:00:00Z",
                                 "00:00:00",
                                 "2026-12-01T00:00:00\nZ"}) {
    const auto expiry = read_expiry(text);
    ASSERT_FALSE(expiry) << text;
    EXPECT_FALSE(expiry.error().hint.empty()) << text;
  }
  EXPECT_LT(said(std::string(1 << 20, '1')).size(), 1000U);
}

// The C library's calendar is the other opinion.
std::tm broken_down(std::time_t seconds) {
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

std::string rfc3339(std::int64_t seconds, int offset_minutes) {
  const std::tm t = broken_down(seconds + std::int64_t{offset_minutes} * 60);
  const int minutes = std::abs(offset_minutes);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec, offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

TEST(Expiry, AgreesWithTheCalendarOnEveryDay) {
  constexpr std::int64_t kDay = 24 * 60 * 60;
  for (std::int64_t seconds = 0; seconds <= kMaxExpirySeconds; seconds += kDay) {
    const auto expiry = read_expiry(rfc3339(seconds, 0));
    ASSERT_TRUE(expiry && expiry->seconds == seconds && expiry->kind == Kind::at) << rfc3339(seconds, 0);
  }
}

TEST(Expiry, RefusesEveryDayThatNoMonthHas) {
  for (int year = 1970; year <= 9999; ++year) {
    for (int month = 1; month <= 12; ++month) {
      std::tm last{};
      last.tm_year = year - 1900;
      last.tm_mon = month;  // the next one
      last.tm_mday = 0;     // that is, the last day of this one
      ::timegm(&last);
      ASSERT_TRUE(read_expiry(fmt::format("{:04}-{:02}-{:02}T12:00:00Z", year, month, last.tm_mday)));
      ASSERT_FALSE(read_expiry(fmt::format("{:04}-{:02}-{:02}T12:00:00Z", year, month, last.tm_mday + 1)));
    }
  }
}

TEST(Expiry, ReadsBackRandomMomentsWithOffsets) {
  std::mt19937_64 random(20261201);
  std::uniform_int_distribution<std::int64_t> any_second(24 * 60 * 60, kMaxExpirySeconds - 24 * 60 * 60);
  std::uniform_int_distribution<int> any_offset(-1439, 1439);
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t seconds = any_second(random);
    const std::string text = rfc3339(seconds, any_offset(random));
    ASSERT_EQ(said(text), fmt::format("at {}", seconds)) << text;
  }
}

TEST(Expiry, ReadsBackRandomDurations) {
  constexpr auto kUnits =
      std::to_array<std::pair<char, std::int64_t>>({{'w', 604'800}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}});
  std::mt19937_64 random(8);
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    std::int64_t total = 0;
    for (const auto& [letter, seconds] : kUnits) {
      if (random() % 2 == 0) {
        const auto count = static_cast<std::int64_t>(random() % 400);
        text += fmt::format("{}{}", count, letter);
        total += count * seconds;
      }
    }
    const bool good = total > 0 && total <= kMaxDurationSeconds;
    ASSERT_EQ(said(text).starts_with(good ? fmt::format("after {}", total) : "bad expires "), true) << text;
  }
}

// Whatever one changed character makes of a right text, it is a time in range or a fault with a hint.
TEST(Expiry, SurvivesMutations) {
  constexpr std::string_view kAlphabet = "0123456789TZtz:-+. wdhms\n\xff";
  std::mt19937_64 random(9);
  for (int i = 0; i < 200'000; ++i) {
    std::string text = i % 2 == 0 ? "2028-02-29T23:59:59.5+13:45" : "52w6d23h59m59s";
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      text[random() % text.size()] = kAlphabet[random() % kAlphabet.size()];
    }
    text.resize(random() % 4 == 0 ? random() % text.size() : text.size());
    const auto expiry = read_expiry(text);
    if (expiry) {
      ASSERT_GE(expiry->seconds, expiry->kind == Kind::at ? 0 : 1) << text;
      ASSERT_LE(expiry->seconds, expiry->kind == Kind::at ? kMaxExpirySeconds : kMaxDurationSeconds) << text;
    } else {
      ASSERT_FALSE(expiry.error().hint.empty()) << text;
    }
  }
}

}  // namespace
}  // namespace krait::config
