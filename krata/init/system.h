// The machine that the zone's first process finds: its first mounts, modules, devices, and its end. All of it blocks.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "krata/init/machine.h"

namespace krata::init {

// How long a device may take to come up.
inline constexpr std::chrono::seconds kDevicePatience{30};

// /proc, /sys and /dev of the initramfs.
common::Result<void> mount_first();

// This process is not killed for want of memory. Its children are like it until they say otherwise.
void keep_alive();

// Descriptors 0 to 2 lead somewhere, so that no other descriptor gets their numbers: the kernel may have found no
// console.
common::Result<void> fill_standard_descriptors();

// How many files a process may open: as many as on a Debian host with systemd (1024, and 524288 for those that ask).
// The kernel's own 4096 are too few for databases.
common::Result<void> allow_many_files();

// Loads a module and those that it needs, as /modules/index of the initramfs says: lines "NAME FILE...", in the order
// of loading. One that is not listed is taken to be in the kernel.
common::Result<void> load_module(std::string_view name);
// All that /modules/drivers names: the zone's devices.
common::Result<void> load_drivers();

// Opens /dev/NAME as soon as it is there.
common::Result<common::Fd> open_device(const std::string& name, int flags);

// Bytes as they are, both ways, and reads and writes that do not block.
common::Result<void> make_raw(int terminal);

common::Result<void> set_up_loopback();
common::Result<void> set_hostname(const std::string& name);

std::unique_ptr<Machine> real_machine();

}  // namespace krata::init
