// Tables of figures: Markdown for people, CSV for the plots.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krait::bench {

// Every row has as many cells as the header. A cell that was not measured is empty or says why.
struct Table {
  std::vector<std::string> header{};
  std::vector<std::vector<std::string>> rows{};
};

std::string markdown(const Table& table);

// FOLDER/NAME.csv, and nothing when `folder` is empty. No cell holds a comma.
common::Result<void> write_csv(const Table& table, const std::string& folder, const std::string& name);

// "- aim: WHAT: met (MEASURED)", or MISSED: what is searched for.
std::string aim_line(std::string_view what, bool met, std::string_view measured);

}  // namespace krait::bench
