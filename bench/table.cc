#include "bench/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/file.h"

namespace krait::bench {
namespace {

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < table.header.size(); ++column) {
    std::size_t widest = table.header[column].size();
    for (const auto& row : table.rows) {
      widest = std::max(widest, row[column].size());
    }
    widths.push_back(widest);
  }
  return widths;
}

std::string markdown_row(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line = "|";
  for (std::size_t column = 0; column < cells.size(); ++column) {
    line += column == 0 ? fmt::format(" {:<{}} |", cells[column], widths[column])
                        : fmt::format(" {:>{}} |", cells[column], widths[column]);
  }
  return line + "\n";
}

}  // namespace

std::string markdown(const Table& table) {
  const auto widths = widths_of(table);
  std::string text = markdown_row(table.header, widths) + "|";
  for (std::size_t column = 0; column < widths.size(); ++column) {
    text += fmt::format(" {:-<{}}{} |", "", widths[column] - 1, column == 0 ? "-" : ":");
  }
  text += "\n";
  for (const auto& row : table.rows) {
    text += markdown_row(row, widths);
  }
  return text;
}

common::Result<void> write_csv(const Table& table, const std::string& folder, const std::string& name) {
  if (folder.empty()) {
    return {};
  }
  std::string text = fmt::format("{}\n", fmt::join(table.header, ","));
  for (const auto& row : table.rows) {
    text += fmt::format("{}\n", fmt::join(row, ","));
  }
  return common::write_file(fmt::format("{}/{}.csv", folder, name), text, 0644);
}

std::string aim_line(std::string_view what, bool met, std::string_view measured) {
  return fmt::format("- aim: {}: **{}** ({})\n", what, met ? "met" : "MISSED", measured);
}

}  // namespace krait::bench
