// What the strings of a bundle may be. Pure.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "common/result.h"

namespace krata::bundle {

template <typename... Args>
common::Error refused(fmt::format_string<Args...> format, Args&&... args) {
  return {common::ErrorCode::invalid_input, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
common::Error too_much(fmt::format_string<Args...> format, Args&&... args) {
  return {common::ErrorCode::limit, fmt::format(format, std::forward<Args>(args)...)};
}

// Every check names in its error what the text is: `what`.
common::Result<void> check_text(std::string_view text, std::string_view what);  // no nul, at most kMaxStringBytes
common::Result<void> check_word(std::string_view text, std::string_view what);  // 1 to 255 of printable ASCII, no space
common::Result<void> check_device(std::string_view text, std::string_view what);  // 1 to 32 of a-z and 0-9
common::Result<void> check_file_name(std::string_view text, std::string_view what);
// Absolute, at most kMaxPathBytes, no nul; "..", ".", "" are no part of it.
common::Result<void> check_path(std::string_view text, std::string_view what);
// "", or USER or USER:GROUP, names or numbers: which there are only the image knows.
common::Result<void> check_user(std::string_view text);
common::Result<void> check_hostname(std::string_view text);
common::Result<void> check_zone_id(std::string_view text);
common::Result<void> check_signal(std::uint32_t number);

}  // namespace krata::bundle
