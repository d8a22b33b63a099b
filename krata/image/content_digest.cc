#include "krata/image/content_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "krata/image/text.h"

namespace krata::image {

namespace {

struct Known {
  std::string_view prefix;
  DigestAlgorithm algorithm;
  std::size_t hex_digits;
};
constexpr std::array kKnown{Known{"sha256:", DigestAlgorithm::sha256, 64},
                            Known{"sha512:", DigestAlgorithm::sha512, 128}};

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

common::Result<ContentDigest> ContentDigest::parse(std::string_view text) {
  for (const Known& known : kKnown) {
    if (text.starts_with(known.prefix)) {
      const std::string_view hex = text.substr(known.prefix.size());
      if (hex.size() == known.hex_digits && std::ranges::all_of(hex, is_hex_digit)) {
        return ContentDigest{.algorithm = known.algorithm, .hex = std::string(hex)};
      }
    }
  }
  return refused("\"{}\" is no digest; one is sha256: and 64 digits, or sha512: and 128", printable(text));
}

std::string_view ContentDigest::algorithm_name() const {
  return algorithm == DigestAlgorithm::sha256 ? "sha256" : "sha512";
}

std::string ContentDigest::text() const { return fmt::format("{}:{}", algorithm_name(), hex); }

std::string ContentDigest::short_text() const { return fmt::format("{}:{}", algorithm_name(), hex.substr(0, 12)); }

}  // namespace krata::image
