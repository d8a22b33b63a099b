// The folder itself.
#pragma once

#include <string>

namespace krait::rundir {

inline constexpr const char* kRunDirectory = "/run/krait";

// What to do when the folder that `path` stands in belongs to a user who is neither root nor the agent's own.
std::string folder_hint(const std::string& path);

}  // namespace krait::rundir
