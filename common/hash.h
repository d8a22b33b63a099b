// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): a hash that is the same on every host, in every version and
// beside the kernel's own. It has no key, so whoever chooses the bytes can choose the hash too; whether files are the
// same is said by common/digest.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace common {

inline constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325ULL;

// `hash`: of the bytes before, or another start.
constexpr std::uint64_t fnv1a(std::span<const unsigned char> bytes, std::uint64_t hash = kFnvStart) {
  for (const unsigned char byte : bytes) {
    hash = (hash ^ byte) * 0x100000001b3ULL;
  }
  return hash;
}

constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = kFnvStart) {
  for (const char byte : text) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  }
  return hash;
}

// With 32 bits it is another hash, not a part of the one above.
constexpr std::uint32_t fnv1a_32(std::string_view text) {
  std::uint32_t hash = 0x811c9dc5;
  for (const char byte : text) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x01000193U;
  }
  return hash;
}

}  // namespace common
