// BLAKE2b (RFC 7693) with 32 bytes: what signed trees and anchors are made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace krait::crypto {

inline constexpr std::size_t kHashBytes = 32;
using Hash = std::array<std::uint8_t, kHashBytes>;

// Of the pieces one after the other; where they end is not part of it. `domain` is 1..16 ASCII characters and keeps
// hashes of different things apart: it is BLAKE2b's personalization, filled up with zeros.
Hash hash_of(std::string_view domain, std::span<const std::span<const std::uint8_t>> pieces);
Hash hash_of(std::string_view domain, std::span<const std::uint8_t> bytes);
Hash hash_of(std::string_view domain, std::string_view text);

// 43 characters of base64 for URLs (RFC 4648 section 5) without padding, as tokens carry them.
std::string hash_text(const Hash& hash);
// Empty when the text is not exactly what hash_text() writes for some 32 bytes.
std::optional<Hash> parse_hash(std::string_view text);

}  // namespace krait::crypto
