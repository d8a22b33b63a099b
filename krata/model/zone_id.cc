#include "krata/model/zone_id.h"

namespace krata::model {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kTextSize = 36;

bool is_dash_at(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

}  // namespace

ZoneId ZoneId::of_random(const std::array<std::uint8_t, 16>& random) {
  ZoneId id{random};
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0fU) | 0x40U);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3fU) | 0x80U);
  return id;
}

std::optional<ZoneId> ZoneId::parse(std::string_view text) {
  if (text.size() != kTextSize) {
    return std::nullopt;
  }
  ZoneId id;
  std::size_t digits = 0;
  for (std::size_t at = 0; at < kTextSize; ++at) {
    if (is_dash_at(at)) {
      if (text[at] != '-') {
        return std::nullopt;
      }
      continue;
    }
    const std::size_t value = kDigits.find(text[at]);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    std::uint8_t& byte = id.bytes.at(digits / 2);
    byte = static_cast<std::uint8_t>(std::size_t{byte} << 4U | value);
    ++digits;
  }
  return id;
}

std::string ZoneId::text() const {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (is_dash_at(text.size())) {
      text += '-';
    }
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace krata::model
