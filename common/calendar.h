// Times as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace common {

// What strftime(3) makes of `format` in UTC, at most 63 characters of it. `unix_s` may be a stranger's: what lies past
// the year 9999 reads as its last second, what lies before 1970 as the first one of that year.
std::string utc_text(std::int64_t unix_s, const char* format);
std::string utc_text(std::uint64_t unix_s, const char* format);

}  // namespace common
