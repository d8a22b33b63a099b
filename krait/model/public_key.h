// WireGuard's public keys.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krait::model {

using PublicKey = std::array<std::uint8_t, 32>;

// 44 characters of base64, as wg(8) writes them.
std::string key_text(const PublicKey& key);
// Empty when the text is not exactly that of 32 bytes; they may be all zero.
std::optional<PublicKey> parse_public_key(std::string_view text);

}  // namespace krait::model
