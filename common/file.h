// Whole files, bounded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"

namespace common {

// Reads a regular file of at most `most_bytes` bytes. Blocks on the file system. Fails with not_found, permission,
// limit (larger than most_bytes), or invalid_input (a directory, a device or a pipe: those could block or never end).
Result<std::string> read_file(const std::string& path, std::size_t most_bytes);

// Writes `text` to a new file beside `path` with `mode` (0600), syncs it and renames it over `path`: the old or the new
// text is there, never a part.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace common
