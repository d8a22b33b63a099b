// Base64 (RFC 4648 section 4), with padding. Not for secrets: it takes other times for other bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace common {

std::string to_base64(std::span<const std::uint8_t> bytes);

// Empty when the text is not what to_base64() gives for some bytes: each have only one.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);

}  // namespace common
