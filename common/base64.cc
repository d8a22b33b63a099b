#include "common/base64.h"

#include <algorithm>

namespace common {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kPadding = '=';

}  // namespace

std::string to_base64(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  std::uint32_t held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8U) | byte;
    for (held += 8; held >= 6; held -= 6) {
      text += kDigits[(bits >> (held - 6)) & 0x3f];
    }
  }
  if (held > 0) {
    text += kDigits[(bits << (6 - held)) & 0x3f];
  }
  text.resize((text.size() + 3) / 4 * 4, kPadding);
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  const std::size_t digits = std::min(text.find(kPadding), text.size());
  if (text.size() - digits > 2 || text.find_first_not_of(kPadding, digits) != std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  std::uint32_t held = 0;
  for (const char character : text.substr(0, digits)) {
    const auto digit = kDigits.find(character);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> held));
      bits &= (1U << held) - 1;
    }
  }
  return bits == 0 ? std::optional(std::move(bytes)) : std::nullopt;  // else another text for the same bytes
}

}  // namespace common
