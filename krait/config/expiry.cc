#include "krait/config/expiry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>

namespace krait::config {

namespace {

using ReadExpiry = std::expected<model::Expiry, Fault>;

constexpr std::string_view kExpiryForms =
    R"(write a time, "2026-12-01T00:00:00Z", or a duration, "8h", "7d" or "1h30m")";

std::unexpected<Fault> bad_expiry(std::string_view text, std::string_view why, std::string hint) {
  return std::unexpected(Fault{fmt::format("bad expires {}: {}", in_quotes(text), why), std::move(hint)});
}

bool is_decimal(char c) { return c >= '0' && c <= '9'; }

// Takes text apart from the front. Each step says whether it found what it wants.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  // Exactly so many digits.
  bool number(std::size_t digits, int& value) {
    if (rest_.size() < digits || !std::ranges::all_of(rest_.substr(0, digits), is_decimal)) {
      return false;
    }
    std::from_chars(rest_.data(), rest_.data() + digits, value);
    rest_.remove_prefix(digits);
    return true;
  }

  // One character of the set; 0 when there is none.
  char one_of(std::string_view set) {
    if (rest_.empty() || set.find(rest_.front()) == std::string_view::npos) {
      return 0;
    }
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }

  // At least one digit.
  bool digits() {
    const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(count);
    return count > 0;
  }

 private:
  std::string_view rest_;
};

struct Moment {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int offset_sign = 0;  // 0: no offset was written
  int offset_hour = 0;
  int offset_minute = 0;
};

bool scan_date(Scanner& scanner, Moment& moment) {
  return scanner.number(4, moment.year) && scanner.one_of("-") != 0 && scanner.number(2, moment.month) &&
         scanner.one_of("-") != 0 && scanner.number(2, moment.day);
}

bool scan_time(Scanner& scanner, Moment& moment) {
  return scanner.number(2, moment.hour) && scanner.one_of(":") != 0 && scanner.number(2, moment.minute) &&
         scanner.one_of(":") != 0 && scanner.number(2, moment.second) && (scanner.one_of(".") == 0 || scanner.digits());
}

bool scan_offset(Scanner& scanner, Moment& moment) {
  if (scanner.one_of("Zz") != 0) {
    moment.offset_sign = 1;
    return true;
  }
  const char sign = scanner.one_of("+-");
  moment.offset_sign = sign == '-' ? -1 : 1;
  return sign != 0 && scanner.number(2, moment.offset_hour) && scanner.one_of(":") != 0 &&
         scanner.number(2, moment.offset_minute);
}

// A part of a moment and its range.
struct Part {
  std::string_view name;
  int value;
  int first;
  int last;
};

std::optional<Part> part_out_of_range(const Moment& moment) {
  const auto first_bad = [](const auto& parts) -> std::optional<Part> {
    const auto bad = std::ranges::find_if(parts, [](const Part& p) { return p.value < p.first || p.value > p.last; });
    return bad == parts.end() ? std::nullopt : std::optional(*bad);
  };
  if (auto bad = first_bad(std::array{Part{"year", moment.year, 1970, 9999}, Part{"month", moment.month, 1, 12}})) {
    return bad;
  }
  const std::chrono::year_month_day_last end(
      std::chrono::year(moment.year),
      std::chrono::month_day_last(std::chrono::month(static_cast<unsigned>(moment.month))));
  const int days = static_cast<int>(static_cast<unsigned>(end.day()));
  return first_bad(std::array{Part{"day", moment.day, 1, days}, Part{"hour", moment.hour, 0, 23},
                              Part{"minute", moment.minute, 0, 59}, Part{"second", moment.second, 0, 59},
                              Part{"offset hour", moment.offset_hour, 0, 23},
                              Part{"offset minute", moment.offset_minute, 0, 59}});
}

std::int64_t seconds_of(const Moment& moment) {
  const std::chrono::sys_days day(std::chrono::year(moment.year) /
                                  std::chrono::month(static_cast<unsigned>(moment.month)) /
                                  std::chrono::day(static_cast<unsigned>(moment.day)));
  const std::chrono::sys_seconds time =
      day + std::chrono::hours(moment.hour) + std::chrono::minutes(moment.minute) + std::chrono::seconds(moment.second);
  const std::chrono::seconds offset =
      std::chrono::hours(moment.offset_hour) + std::chrono::minutes(moment.offset_minute);
  return (time.time_since_epoch() - moment.offset_sign * offset).count();
}

// `text` begins like a date.
ReadExpiry read_moment(std::string_view text) {
  Scanner scanner(text);
  Moment moment;
  if (!scan_date(scanner, moment)) {
    return bad_expiry(text, "neither a time nor a duration", std::string(kExpiryForms));
  }
  if (scanner.at_end()) {
    return bad_expiry(text, "a date without a time of day", fmt::format("write \"{}T00:00:00Z\"", text));
  }
  if (scanner.one_of("Tt ") == 0 || !scan_time(scanner, moment)) {
    return bad_expiry(text, "neither a time nor a duration", std::string(kExpiryForms));
  }
  if (scanner.at_end()) {
    return bad_expiry(text, "a time without its offset from UTC", "add Z for UTC, or an offset as in +02:00");
  }
  if (!scan_offset(scanner, moment) || !scanner.at_end()) {
    return bad_expiry(text, "an offset is Z or of the form +02:00", std::string(kExpiryForms));
  }
  if (const auto part = part_out_of_range(moment)) {
    return bad_expiry(text, fmt::format("there is no {} {}", part->name, part->value),
                      fmt::format("write {:02} to {:02}", part->first, part->last));
  }
  const std::int64_t seconds = seconds_of(moment);
  if (seconds < 0 || seconds > kMaxExpirySeconds) {
    return bad_expiry(text, "in UTC not in the years 1970 to 9999", "write a time in these years");
  }
  return model::Expiry{model::Expiry::Kind::at, seconds};
}

struct Unit {
  char letter;
  std::int64_t seconds;
};

constexpr auto kUnits = std::to_array<Unit>({{'w', 604'800}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}});

// `text` begins with a digit.
ReadExpiry read_duration(std::string_view text) {
  std::int64_t total = 0;
  const Unit* next = kUnits.begin();  // the greatest that may still come
  for (std::string_view rest = text; !rest.empty();) {
    if (!is_decimal(rest.front())) {
      return bad_expiry(text, "neither a time nor a duration", std::string(kExpiryForms));
    }
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) {
      return bad_expiry(text, "a number without a unit", R"(add s, m, h, d or w: "8h")");
    }
    const Unit* const unit = std::ranges::find(kUnits, rest.front(), &Unit::letter);
    if (unit == kUnits.end()) {
      return bad_expiry(text, "neither a time nor a duration", std::string(kExpiryForms));
    }
    if (unit < next) {
      return bad_expiry(text, "its units are not in order, or one stands twice",
                        R"(write w, d, h, m, s in this order, each at most once: "1h30m")");
    }
    next = unit + 1;
    if (error != std::errc() || count > (kMaxDurationSeconds - total) / unit->seconds) {
      return bad_expiry(text, "more than 3650d", "write a shorter duration, or a time");
    }
    total += count * unit->seconds;
    rest.remove_prefix(1);
  }
  if (total == 0) {
    return bad_expiry(text, "no time at all", "write at least 1s");
  }
  return model::Expiry{model::Expiry::Kind::after, total};
}

}  // namespace

std::expected<model::Expiry, Fault> read_expiry(std::string_view text) {
  if (text.empty() || !is_decimal(text.front())) {
    return bad_expiry(text, "neither a time nor a duration", std::string(kExpiryForms));
  }
  return text.size() > 4 && text[4] == '-' ? read_moment(text) : read_duration(text);
}

}  // namespace krait::config
