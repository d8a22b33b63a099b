#include "common/calendar.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace common {

std::string utc_text(std::uint64_t unix_s, const char* format) {
  constexpr std::uint64_t kLastS = 253'402'300'799;  // of the year 9999
  const auto time = static_cast<std::time_t>(std::min(unix_s, kLastS));
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

std::string utc_text(std::int64_t unix_s, const char* format) {
  return utc_text(static_cast<std::uint64_t>(std::max<std::int64_t>(unix_s, 0)), format);
}

}  // namespace common
