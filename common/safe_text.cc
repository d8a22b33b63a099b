#include "common/safe_text.h"

#include <fmt/format.h>

#include <iterator>

namespace common {

namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  // 0: no UTF-8
};

bool continues(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80;
}

// RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
Character character_at(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    return {first, 1};
  }
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) {
    return {};
  }
  std::uint32_t code = first & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!continues(text, at + i)) {
      return {};
    }
    code = code << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
  }
  const bool is_overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return is_overlong || is_surrogate || code > 0x10ffff ? Character{} : Character{code, bytes};
}

// Unicode's controls (Cc), its marks of direction (UAX 9), separators of lines, and the mark of byte order.
bool is_safe(std::uint32_t code) {
  const bool is_control = (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0);
  const bool is_direction = code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
                            (code >= 0x2066 && code <= 0x2069);
  return !is_control && !is_direction && code != 0x2028 && code != 0x2029 && code != 0xfeff;
}

}  // namespace

std::string safe_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Character character = character_at(bytes, at);
    if (character.bytes == 0 || (character.code < 0x80 && !is_safe(character.code))) {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(bytes[at]));
      ++at;
      continue;
    }
    if (is_safe(character.code)) {
      text += bytes.substr(at, character.bytes);
    } else {
      fmt::format_to(std::back_inserter(text), "\\u{{{:x}}}", character.code);
    }
    at += character.bytes;
  }
  return text;
}

std::string safe_lines(std::string_view text) {
  std::string safe;
  for (;;) {
    const std::size_t end = text.find('\n');
    safe += safe_text(text.substr(0, end));
    if (end == std::string_view::npos) {
      return safe;
    }
    safe += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace common
