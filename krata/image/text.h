// Hostile text in messages.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "common/result.h"

namespace krata::image {

// Fit for a terminal and a log: control characters, quotes' backslash and what is no ASCII as \xNN, at most 200
// characters.
std::string printable(std::string_view text);

// The image is not taken, for a reason that lies in it.
template <typename... Values>
common::Error refused(fmt::format_string<Values...> format, Values&&... values) {
  return {common::ErrorCode::invalid_input, fmt::format(format, std::forward<Values>(values)...)};
}

}  // namespace krata::image
