// Kernel modules as Debian ships them.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace krata::kernel {

inline constexpr std::size_t kMaxModuleBytes = std::size_t{64} << 20U;

// The module in a file: of one that ends in ".xz" its contents, of ".ko" itself. Fails with unsupported (another
// ending), invalid_input (damaged) and limit.
common::Result<std::string> unpack_module(std::string_view file_name, std::string bytes);

}  // namespace krata::kernel
