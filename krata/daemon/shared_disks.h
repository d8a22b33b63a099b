// Two zones that write to one disk, or one that reads what another writes, destroy the file system there, or read
// nonsense.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krata/model/zone.h"

namespace krata::daemon {

// What tells a file or a block device from all others, whatever its path; nothing: it is not there.
using FileId = std::pair<std::uint64_t, std::uint64_t>;
using IdentifyFile = std::function<std::optional<FileId>(const std::string& path)>;

// stat(2): of a file its device and inode, of a block device its number.
std::optional<FileId> identify_file(const std::string& path);

// Fails with invalid_input where a disk of `spec` is there twice, or a zone of `others` that runs, or may run again by
// itself, has it too, unless all only read.
common::Result<void> check_disks_apart(const model::ZoneSpec& spec, const std::vector<const model::ZoneRecord*>& others,
                                       const IdentifyFile& identify);

}  // namespace krata::daemon
