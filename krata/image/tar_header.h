// One block of 512 bytes at the head of an entry: ustar (POSIX.1-1988), GNU's, star's, and what was before them. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::image {

inline constexpr std::size_t kTarBlock = 512;
using TarBlock = std::array<char, kTarBlock>;

// A part of a sparse file that is stored.
struct Segment {
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;
};

struct TarHeader {
  char type = '0';
  std::string name;  // with the prefix
  std::string link;
  std::uint32_t mode = 0;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size_bytes = 0;  // stored
  std::int64_t mtime_s = 0;
  std::uint64_t device_major = 0;
  std::uint64_t device_minor = 0;
};

// What an old sparse header of GNU's (type S) holds.
struct GnuSparse {
  std::vector<Segment> segments;
  std::uint64_t size_bytes = 0;  // holes included
  bool goes_on = false;          // a block of further segments follows
};

// Fails with invalid_input (a wrong check sum, a field that is no number).
common::Result<TarHeader> parse_tar_header(const TarBlock& block);
common::Result<GnuSparse> parse_gnu_sparse(const TarBlock& block);
// A block that follows; its segments are added to `sparse`.
common::Result<void> parse_gnu_sparse_more(const TarBlock& block, GnuSparse& sparse);

bool is_zero(const TarBlock& block);

// A number as decimal digits and nothing else.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace krata::image
