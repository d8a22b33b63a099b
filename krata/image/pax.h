// Extended headers of an archive (POSIX.1-2001, pax; GNU's and star's keywords). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/image/tar_header.h"
#include "krata/image/tree.h"

namespace krata::image {

struct PaxTime {
  std::int64_t s = 0;
  std::uint32_t ns = 0;
};

// What an extended header says of the next entry; what it does not say is nothing.
struct Pax {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<std::uint64_t> uid;
  std::optional<std::uint64_t> gid;
  std::optional<std::uint64_t> size_bytes;
  std::optional<PaxTime> mtime;
  Xattrs xattrs;  // SCHILY.xattr.NAME

  // GNU's sparse files: 0.0 (pairs of records), 0.1 (a map in one) and 1.0 (the map precedes the data).
  std::optional<std::string> sparse_path;
  std::optional<std::uint64_t> sparse_size_bytes;
  std::vector<std::uint64_t> sparse_numbers;  // offset, bytes, offset, bytes ...
  bool sparse_map_in_data = false;
  [[nodiscard]] bool is_sparse() const { return sparse_map_in_data || sparse_size_bytes.has_value(); }
};

// Adds the records of one header to `pax`. Errors: invalid_input, limit.
common::Result<void> parse_pax(std::string_view records, Pax& pax);

// Pairs of numbers as segments.
common::Result<std::vector<Segment>> segments_of(const std::vector<std::uint64_t>& numbers);

}  // namespace krata::image
