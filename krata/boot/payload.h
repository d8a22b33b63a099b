// What a kernel image carries compressed. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"

namespace krata::boot {

inline constexpr std::size_t kMaxKernelBytes = std::size_t{512} << 20U;  // unpacked

// Unpacks gzip, xz, zstd, and lz4 in its frame and legacy formats, told apart by their first bytes. What follows the
// end of the stream is left alone: a kernel image has the unpacked size there. Fails with invalid_input (damaged, or
// cut off), unsupported (none of these), and limit (more than `max_bytes`).
common::Result<std::string> decompress(std::string_view packed, std::size_t max_bytes = kMaxKernelBytes);

// Whether the bytes begin as one of those formats does.
bool is_compressed(std::string_view bytes);

// The ELF file in a kernel image: of a bzImage (boot protocol 2.08 or later) its payload unpacked, of a compressed file
// its contents, of an ELF file itself. Fails with invalid_input where it is none of those.
common::Result<std::string> kernel_elf(std::string image, std::size_t max_bytes = kMaxKernelBytes);

}  // namespace krata::boot
