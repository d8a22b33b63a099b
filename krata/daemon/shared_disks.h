// Two zones that write to one disk, or one that reads what another writes, destroy the file system there, or read
// nonsense.
#pragma once

#include <vector>

#include "common/result.h"
#include "krata/model/zone.h"

namespace krata::daemon {

// Fails with invalid_input where a disk of `spec` is there twice, or a zone of `others` has it too, unless all only
// read. One file is the same by whatever path: looked up by stat(2).
common::Result<void> check_disks_apart(const model::ZoneSpec& spec,
                                       const std::vector<const model::ZoneRecord*>& others);

}  // namespace krata::daemon
