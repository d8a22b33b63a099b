#include "krait/model/known_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace krait::model {

namespace {

constexpr std::int64_t kYearNs = 365LL * 86400 * 1'000'000'000;
constexpr std::string_view kRecordName = "krait-time-1";
constexpr std::size_t kBootIdBytes = 36;

bool is_believed(std::int64_t unix_ns, std::int64_t built_ns) { return unix_ns <= built_ns + 20 * kYearNs; }

// Digits only, all of the text.
template <typename Number>
bool read_number(std::string_view text, Number& number) {
  if (text.starts_with('-')) {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_boot_id(std::string_view text) {
  return text.size() == kBootIdBytes && text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace

KnownTime known_time(const Evidence& evidence) {
  KnownTime known{.now = evidence.clock,
                  .clock_ns = evidence.clock.unix_ns,
                  .synchronized = evidence.synchronized,
                  .source = TimeSource::clock,
                  .file = {},
                  .latest = {}};
  std::int64_t min_ns = 0;
  const auto weigh = [&](std::int64_t unix_ns, TimeSource source, const std::string& file) {
    min_ns = std::max(min_ns, unix_ns);
    if (unix_ns > known.now.unix_ns) {
      known.now.unix_ns = unix_ns;
      known.source = source;
      known.file = file;
    }
  };
  weigh(evidence.built_ns, TimeSource::build, "");
  if (!evidence.synchronized) {
    for (const FileTime& file : evidence.files) {
      if (is_believed(file.changed_ns, evidence.built_ns)) {
        weigh(file.changed_ns, TimeSource::file, file.file);
      }
    }
  }
  weigh(evidence.synchronized ? evidence.latest.synchronized_ns : evidence.latest.any_ns, TimeSource::earlier, "");
  const bool remembers = is_believed(evidence.clock.unix_ns, evidence.built_ns);
  known.latest.any_ns = remembers ? known.now.unix_ns : min_ns;
  known.latest.synchronized_ns = evidence.synchronized && remembers
                                     ? std::max(evidence.latest.synchronized_ns, evidence.clock.unix_ns)
                                     : evidence.latest.synchronized_ns;
  return known;
}

LatestTimes later(LatestTimes latest, std::uint64_t passed_ns) {
  for (std::int64_t* time : {&latest.any_ns, &latest.synchronized_ns}) {
    *time += *time == 0 ? 0 : static_cast<std::int64_t>(passed_ns);
  }
  return latest;
}

LatestTimes latest_at(const TimeRecord& record, const std::string& boot_id, std::uint64_t boot_ns) {
  return record.boot_id == boot_id && record.boot_ns <= boot_ns ? later(record.latest, boot_ns - record.boot_ns)
                                                                : record.latest;
}

std::string record_text(const TimeRecord& record) {
  return fmt::format("{} {} {} {} {}\n", kRecordName, record.boot_id, record.boot_ns, record.latest.any_ns,
                     record.latest.synchronized_ns);
}

std::optional<TimeRecord> parse_record(std::string_view text, std::int64_t built_ns) {
  const std::string_view whole = text;
  std::array<std::string_view, 5> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t end = text.find(i + 1 < words.size() ? ' ' : '\n');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    words[i] = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  TimeRecord record{.boot_id = std::string(words[1]), .boot_ns = 0, .latest = {}};
  if (!is_boot_id(words[1]) || !read_number(words[2], record.boot_ns) || !read_number(words[3], record.latest.any_ns) ||
      !read_number(words[4], record.latest.synchronized_ns) || record_text(record) != whole) {
    return std::nullopt;
  }
  const bool believed = is_believed(record.latest.any_ns, built_ns) &&
                        record.latest.synchronized_ns <= record.latest.any_ns &&
                        record.boot_ns <= static_cast<std::uint64_t>(20 * kYearNs);
  return believed ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace krait::model
