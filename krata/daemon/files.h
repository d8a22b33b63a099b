// What several parts of the daemon ask of files.
#pragma once

#include <string>

#include "common/result.h"

namespace krata::daemon {

bool exists(const std::string& path);
// 0700; also where it is there.
common::Result<void> make_folder(const std::string& path);

}  // namespace krata::daemon
