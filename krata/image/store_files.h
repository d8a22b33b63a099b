// The steps on a disk that the store is made of.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace krata::image {

// With all that is missing above it. Errors: system, permission.
common::Result<void> make_folders(const std::string& path);

// flock(2). Errors: unavailable with the text `what` when LOCK_NB finds it taken, system.
common::Result<void> lock_file(int fd, int how, const char* what);

// So that a rename in it outlives the power. Errors: system.
common::Result<void> sync_folder_of(const std::string& path);

// The names of a folder's files, in order. Errors: system, not_found.
common::Result<std::vector<std::string>> files_in(const std::string& folder);

}  // namespace krata::image
