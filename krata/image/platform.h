// What machine an image is for (image-spec, "Image Index": platform).
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "common/result.h"

namespace krata::image {

struct Platform {
  std::string os;            // as Go names it: "linux"
  std::string architecture;  // as Go names it: "amd64"
  std::string variant;       // "v8"; may be empty

  // "linux/arm64/v8", "linux/amd64"; the kernel's names of architectures (x86_64, aarch64) are taken for Go's. Fails
  // with invalid_input.
  static common::Result<Platform> parse(std::string_view text);
  // This machine's.
  static Platform host();

  [[nodiscard]] std::string text() const;
  // How well what is for `offered` runs on this: 0 not at all, more is better. An empty variant of this is the
  // architecture's usual one.
  [[nodiscard]] int fitness(const Platform& offered) const;

  auto operator<=>(const Platform&) const = default;
};

}  // namespace krata::image
