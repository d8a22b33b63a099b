#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "krata/bundle/check.h"
#include "krata/bundle/image_process.h"

namespace krata::bundle {

using common::Result;

namespace {

// asm/signal.h of x86_64. Where a number has several names the first is the one that is written.
constexpr auto kNames = std::to_array<std::pair<std::string_view, std::uint32_t>>({
    {"HUP", 1},   {"INT", 2},    {"QUIT", 3},    {"ILL", 4},   {"TRAP", 5},  {"ABRT", 6},  {"IOT", 6},
    {"BUS", 7},   {"FPE", 8},    {"KILL", 9},    {"USR1", 10}, {"SEGV", 11}, {"USR2", 12}, {"PIPE", 13},
    {"ALRM", 14}, {"TERM", 15},  {"STKFLT", 16}, {"CHLD", 17}, {"CLD", 17},  {"CONT", 18}, {"STOP", 19},
    {"TSTP", 20}, {"TTIN", 21},  {"TTOU", 22},   {"URG", 23},  {"XCPU", 24}, {"XFSZ", 25}, {"VTALRM", 26},
    {"PROF", 27}, {"WINCH", 28}, {"IO", 29},     {"POLL", 29}, {"PWR", 30},  {"SYS", 31},
});
constexpr std::uint32_t kRealTimeMin = 34;  // as glibc counts them, which keeps the first two
constexpr std::uint32_t kRealTimeMax = 64;

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "RTMIN", "RTMIN+3", "RTMAX-2".
std::optional<std::uint32_t> real_time_signal(std::string_view name) {
  const bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) {
    return std::nullopt;
  }
  name.remove_prefix(5);
  std::uint32_t distance = 0;
  if (!name.empty()) {
    const auto number = name.front() == (from_min ? '+' : '-') ? number_of(name.substr(1)) : std::nullopt;
    if (!number || *number > kRealTimeMax - kRealTimeMin) {
      return std::nullopt;
    }
    distance = *number;
  }
  return from_min ? kRealTimeMin + distance : kRealTimeMax - distance;
}

}  // namespace

Result<std::uint32_t> signal_number(std::string_view name) {
  if (const auto number = number_of(name)) {
    KRAIT_CHECK(check_signal(*number));
    return *number;
  }
  std::string_view bare = name;
  if (bare.starts_with("SIG")) {
    bare.remove_prefix(3);
  }
  for (const auto& [known, number] : kNames) {
    if (known == bare) {
      return number;
    }
  }
  if (const auto number = real_time_signal(bare)) {
    return *number;
  }
  return refused("'{:.32}' is no signal; write SIGTERM, TERM or 15", name);
}

std::string signal_name(std::uint32_t number) {
  for (const auto& [known, known_number] : kNames) {
    if (known_number == number) {
      return fmt::format("SIG{}", known);
    }
  }
  if (number >= kRealTimeMin && number <= kRealTimeMax) {
    return number == kRealTimeMin ? "SIGRTMIN" : fmt::format("SIGRTMIN+{}", number - kRealTimeMin);
  }
  return fmt::format("{}", number);
}

}  // namespace krata::bundle
