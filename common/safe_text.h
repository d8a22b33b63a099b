// What strangers say, made fit for logs and terminals. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace common {

// The text with each control character but the tab, each byte that is no UTF-8, and each character that turns the
// direction of writing or ends a line as "\x1b" or "\u{202e}": no terminal takes any of it for an order. At most four
// times as long.
std::string safe_text(std::string_view bytes);
// The same of each line by itself.
std::string safe_lines(std::string_view text);

}  // namespace common
