// What tells zones apart for ever: a random UUID (RFC 9562, version 4), which is the handle of the zone's domains too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krata::model {

struct ZoneId {
  std::array<std::uint8_t, 16> bytes{};

  // Of 16 random bytes, of which six bits are overwritten.
  static ZoneId of_random(const std::array<std::uint8_t, 16>& random);
  // "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in lower case alone; nothing otherwise.
  static std::optional<ZoneId> parse(std::string_view text);

  [[nodiscard]] std::string text() const;
  auto operator<=>(const ZoneId&) const = default;
};

}  // namespace krata::model
