// A zone's bundle from its record and its image's configuration.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "krata/bundle/bundle.h"
#include "krata/control/protocol.h"
#include "krata/model/zone.h"

namespace krata::daemon {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{8} << 20U;  // of an image's configuration document

// The disks of every zone, in this order: image, bundle, and those that its owner gives.
inline constexpr std::string_view kDiskLetters = "abcdefghijklmnop";

// What the file or block device holds, by its first bytes: "ext4", "squashfs", "erofs". Fails with invalid_input for
// anything else. Blocks on the disk.
common::Result<std::string> file_system_of(const std::string& path);

// What runs in a zone's container besides its own: in the same place, by the same user with the same environment unless
// `exec` says otherwise. Pure.
common::Result<bundle::Process> exec_process(const model::ZoneRecord& record, std::string_view config_text,
                                             const control::ExecSpec& exec);

// Pure but for looking at the disks' first bytes. `config_text`: the image's configuration document.
common::Result<bundle::Bundle> bundle_of(const model::ZoneRecord& record, std::string_view config_text);

}  // namespace krata::daemon
