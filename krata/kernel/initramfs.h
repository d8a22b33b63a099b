// The modules in the first file system of a zone, as krata-init expects them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/kernel/files.h"

namespace krata::kernel {

// What a zone needs that a kernel may have as modules: its devices, which krata-init loads at once, and file systems,
// which it loads when it mounts one.
inline constexpr std::string_view kDrivers[] = {"xen-blkfront", "xen-netfront"};
inline constexpr std::string_view kFileSystems[] = {"squashfs", "erofs", "overlay", "ext4"};

// An archive with the modules' files unpacked below /modules, /modules/index ("NAME FILE..." a line, in the order to
// load) and /modules/drivers (a name a line). `folder`: of the kernel's modules, with modules.dep. Blocks. Errors:
// not_found, unsupported, invalid_input, limit, system.
common::Result<std::string> modules_archive(const Files& files, const std::string& folder,
                                            std::span<const std::string_view> drivers,
                                            std::span<const std::string_view> file_systems);

}  // namespace krata::kernel
