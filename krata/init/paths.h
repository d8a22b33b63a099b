// Folders and files within a root that somebody else has filled: links in it lead within it.
#pragma once

#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace krata::init {

// openat2() with RESOLVE_IN_ROOT; `root` "/" is this process's own.
common::Result<common::Fd> open_in(const std::string& root, std::string_view path, int flags);

// Makes what is missing of the path, mode 0755 and root's.
common::Result<void> make_folders_in(const std::string& root, std::string_view path);
common::Result<void> make_folders(std::string_view path);

}  // namespace krata::init
