// Stands in front of the TOML parser and refuses what would cost it a stack overflow, quadratic time or all memory, and
// bytes that are no text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "krait/config/findings.h"
#include "krait/model/policy.h"

namespace krait::config {

inline constexpr std::uint32_t kMaxDepth = 16;    // of brackets, and of a dotted key's parts
inline constexpr std::size_t kMaxDots = 131'072;  // in keys; the parser searches what they make one by one
inline constexpr std::size_t kMaxHeaders = 64;    // different ones; these too

// What reading a file may take, by an estimate: all of the text, of the parser's tree and of what is made of it.
struct Memory {
  std::size_t max_bytes;
  std::string hint;  // what to do about more
};

struct Refusal {
  model::Position at;
  Fault fault;
};

// Empty when the parser may see the text (which need not be TOML). `text` begins behind the byte order mark. One pass.
std::optional<Refusal> refuse(std::string_view text, const Memory& memory);

}  // namespace krait::config
