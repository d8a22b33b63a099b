// Stands in front of the TOML parser and refuses what would cost it a stack overflow, quadratic time or all memory, and
// bytes that are no text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "krait/config/findings.h"
#include "krait/model/policy.h"

namespace krait::config {

inline constexpr std::uint32_t kMostDepth = 16;          // of brackets, and of a dotted key's parts
inline constexpr std::size_t kMostDots = 131'072;        // in keys; the parser searches what they make one by one
inline constexpr std::size_t kMostHeaders = 64;          // different ones; these too
inline constexpr std::size_t kMostElements = 8'000'000;  // values, lists and tables

struct Refusal {
  model::Position at;
  Fault fault;
};

// Empty when the parser may see the text (which need not be TOML). `text` begins behind the byte order mark. One pass.
std::optional<Refusal> refuse(std::string_view text);

}  // namespace krait::config
