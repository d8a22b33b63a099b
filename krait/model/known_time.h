// What time it is where the clock may be wrong: what a calendar time has ended must not begin again because somebody
// set the clock back, or a battery died. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace krait::model {

// The latest times that were seen, in Unix ns; 0: none.
struct LatestTimes {
  std::int64_t any_ns = 0;
  std::int64_t synchronized_ns = 0;  // while NTP kept the clock; not later than any_ns

  bool operator==(const LatestTimes&) const = default;
};

struct FileTime {
  std::string file;
  std::int64_t changed_ns = 0;  // Unix ns
};

// All that tells the time.
struct Evidence {
  common::Moment clock;
  bool synchronized = false;  // NTP keeps the clock
  std::int64_t built_ns = 0;  // what this program's sources are from
  LatestTimes latest;         // brought up to clock.boot_ns
  std::vector<FileTime> files;
};

enum class TimeSource : std::uint8_t { clock, build, file, earlier };

struct KnownTime {
  common::Moment now;  // what to go by
  std::int64_t clock_ns = 0;
  bool synchronized = false;
  TimeSource source = TimeSource::clock;  // of now
  std::string file;                       // that it is from, where it is from one
  LatestTimes latest;                     // from now on

  [[nodiscard]] std::int64_t behind_s() const { return (now.unix_ns - clock_ns) / 1'000'000'000; }
  // By so much that it is no correction of a clock that runs ahead a little: an hour.
  [[nodiscard]] bool clock_is_wrong() const { return behind_s() > 3600; }
};

// The latest time of all. A clock that NTP keeps overrules what an unkept clock showed once and what files say. A time
// of more than 20 years after the build is used while the clock shows it, but never remembered, and of files not
// believed: no wild clock ends for good what is to go on.
KnownTime known_time(const Evidence& evidence);

// The times as they are `passed_ns` later.
LatestTimes later(LatestTimes latest, std::uint64_t passed_ns);

// What is kept in a file. In the same boot the clock since the machine started says how long ago that was.
struct TimeRecord {
  std::string boot_id;  // as /proc/sys/kernel/random/boot_id has it
  std::uint64_t boot_ns = 0;
  LatestTimes latest;

  bool operator==(const TimeRecord&) const = default;
};

// The record's times at that moment of that boot.
LatestTimes latest_at(const TimeRecord& record, const std::string& boot_id, std::uint64_t boot_ns);

std::string record_text(const TimeRecord& record);
// Nothing: not what record_text() writes, or times that are not believed.
std::optional<TimeRecord> parse_record(std::string_view text, std::int64_t built_ns);

}  // namespace krait::model
