// An image as one file that a zone mounts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krata/image/platform.h"
#include "krata/image/source.h"

namespace krata::image {

enum class Format : std::uint8_t { squashfs, erofs };

struct PackOptions {
  std::string file;
  std::optional<Format> format{};  // nothing: squashfs, or EROFS where that cannot hold the image
  Platform platform = Platform::host();
};

struct Packed {
  ContentDigest digest;  // of the manifest taken
  Format format = Format::squashfs;
  std::uint64_t file_bytes = 0;
  std::string config_text;  // the image's configuration
};

// Packs the source's image for the platform into a new file, which takes the place of an old one at once when all is
// done; a failure leaves what was there. Files' contents lie beside it meanwhile, without a name. Needs no rights.
// Blocks. Errors: invalid_input, limit, unsupported (the image), and system, permission, unavailable (what is around
// it).
common::Result<Packed> pack(Source& source, const PackOptions& options, Progress& progress);

std::string_view format_name(Format format);

}  // namespace krata::image
