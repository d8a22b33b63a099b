// What the agent logged, by the systemd journal.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.h"

namespace krait::doctor {

// The last `max_lines` lines that a program of this name logged, oldest first, with their times;
// empty where there is no journal. Blocks on files only.
common::Result<std::string> journal_of(const std::string& program, std::size_t max_lines);

}  // namespace krait::doctor
