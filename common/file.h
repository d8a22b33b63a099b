// Whole files, bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/result.h"

namespace common {

// Reads a regular file of at most `max_bytes` bytes. Blocks on the file system. Fails with not_found, permission,
// limit (larger than max_bytes), or invalid_input (a directory, a device or a pipe: those could block or never end).
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

// The same for a file in a folder that somebody else may own, whom this process must not do favours: in a folder where
// others than root and this process's user make files, no symbolic link is followed (invalid_input), and only a file of
// the folder's owner is read (permission), whatever else has been given a second name there.
Result<std::string> read_file_of_others(const std::string& path, std::size_t max_bytes);

// The same, and never a part of what somebody writes meanwhile: a file that is open for writing (where the kernel
// tells: to its owner and with CAP_LEASE) or was changed within the last kSettle is waited for, at most kMaxSettles
// times that long. Fails also with unavailable (it is still being written).
Result<std::string> read_settled_file(const std::string& path, std::size_t max_bytes);
// The digest of what read_settled_file gives, without memory for the text.
Result<Digest> settled_file_digest(const std::string& path, std::size_t max_bytes);

// More than two ticks of the kernel's clock (10 ms each at most), which stamps files: a file that has settled and is
// written again gets another stamp.
inline constexpr std::chrono::milliseconds kSettle{50};
inline constexpr int kMaxSettles = 20;

// Writes `text` to a new file beside `path` with `mode` (0600), syncs it and renames it over `path`: the old or the new
// text is there, never a part.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace common
