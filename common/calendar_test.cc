#include "common/calendar.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace common {
namespace {

// What date(1) says of the same seconds.
TEST(Calendar, TimesInUtc) {
  EXPECT_EQ(utc_text(std::int64_t{0}, "%Y-%m-%dT%H:%M:%S"), "1970-01-01T00:00:00");
  EXPECT_EQ(utc_text(std::int64_t{951'782'400}, "%Y-%m-%d %H:%M"), "2000-02-29 00:00");
  EXPECT_EQ(utc_text(std::uint64_t{1'796'083'201}, "%Y%m%dT%H%M%SZ"), "20261201T000001Z");
}

TEST(Calendar, WhatNoCalendarHasReadsAsTheNearest) {
  EXPECT_EQ(utc_text(std::numeric_limits<std::uint64_t>::max(), "%Y-%m-%d %H:%M:%S"), "9999-12-31 23:59:59");
  EXPECT_EQ(utc_text(std::numeric_limits<std::int64_t>::max(), "%Y-%m-%d %H:%M:%S"), "9999-12-31 23:59:59");
  EXPECT_EQ(utc_text(std::int64_t{-1}, "%Y"), "1970");
}

}  // namespace
}  // namespace common
