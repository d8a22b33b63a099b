// What a kernel image says of itself. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace krata::kernel {

// The version in a bzImage (Documentation/arch/x86/boot.rst, "kernel_version"): "6.1.0-42-cloud-amd64". `start`: the
// file's first kImageStartBytes. Fails with invalid_input: no such image.
common::Result<std::string> image_version(std::string_view start);
inline constexpr std::size_t kImageStartBytes = std::size_t{64} << 10U;

// Whether it can be the name of a folder: letters, digits and ".+_~-", not led by a dot, at most 128.
bool is_version(std::string_view version);

}  // namespace krata::kernel
