// gzip, zstd, or nothing: told by the first bytes, as the media types of Docker's archives are wrong about it.
#pragma once

#include <memory>

#include "krata/image/byte_source.h"

namespace krata::image {

// What `source`, which must outlive it, holds uncompressed. Several gzip members or zstd frames are one stream. Errors:
// invalid_input (broken, or compressed otherwise: xz, bzip2), limit (a zstd window above 128 MiB), and the source's
// own.
std::unique_ptr<ByteSource> decompressed(ByteSource& source);

}  // namespace krata::image
