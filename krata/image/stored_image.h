// What the store knows of an image besides its content. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krata/image/manifest.h"

namespace krata::image {

struct StoredImage {
  std::string name;
  Platform platform;
  Descriptor manifest;
  std::int64_t stored_s = 0;  // Unix time
};

// As it lies in the store, one JSON object; `path` names it in errors. Errors: invalid_input.
std::string stored_text(const StoredImage& image);
common::Result<StoredImage> parse_stored(std::string_view text, const std::string& path);

}  // namespace krata::image
