// Tables for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace common::cli {

using Rows = std::vector<std::vector<std::string>>;

// Columns as wide as their widest cell. There is at least one row, and all have as many cells.
std::string table_text(const Rows& rows);

// "12.3 MB".
std::string size_text(std::uint64_t bytes);

}  // namespace common::cli
