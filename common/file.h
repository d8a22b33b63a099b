// Whole files, bounded; and whole descriptors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
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

// From where a descriptor stands. `name` is what it is called in errors: its path, "the key file X". Interrupted calls
// are made again.
// Reads until `bytes` is full or the end is there; gives how many were read. Keeps no copy, so it may be a secret.
Result<std::size_t> read_into(int fd, std::span<char> bytes, std::string_view name);
// Reads to the end. Fails with limit beyond `max_bytes`.
Result<std::string> read_to_end(int fd, std::size_t max_bytes, std::string_view name);
Result<void> write_all(int fd, std::string_view bytes, std::string_view name);
// The same at `offset`, wherever the descriptor stands.
Result<void> write_all_at(int fd, std::uint64_t offset, std::string_view bytes, std::string_view name);

// The directory that `path` stands in; "." when it names none.
std::string directory_of(const std::string& path);
// Makes that directory when it is missing; its own directory must exist.
Result<void> make_directory_of(const std::string& path, unsigned mode = 0755);

}  // namespace common
