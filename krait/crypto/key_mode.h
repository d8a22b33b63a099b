// Who may get at a file with a secret key in it.
#pragma once

#include <sys/stat.h>

#include <string>

#include "common/result.h"

namespace krait::crypto {

// Fails with invalid_input where `mode` (of stat(2)) is no regular file's, or lets the group or others do anything; the
// message says what to do. Pure.
common::Result<void> check_key_mode(mode_t mode, const std::string& path);

}  // namespace krait::crypto
