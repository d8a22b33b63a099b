// When a rule stops to apply, as text.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "krait/config/findings.h"
#include "krait/model/policy.h"

namespace krait::config {

inline constexpr std::int64_t kMaxExpirySeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z
inline constexpr std::int64_t kMaxDurationSeconds = std::int64_t{3650} * 24 * 60 * 60;

// Either a moment, "2026-12-01T00:00:00Z": RFC 3339 with an offset, from 1970 to the end of 9999 in UTC, fractions of a
// second dropped, no leap seconds. Or a duration, "8h", "7d", "1h30m": numbers with the units w, d, h, m, s, each unit
// at most once and in this order, 1 s to 3650 d in all.
std::expected<model::Expiry, Fault> read_expiry(std::string_view text);

}  // namespace krait::config
