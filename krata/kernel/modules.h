// Which files a kernel module needs, by the lists that depmod(8) makes. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::kernel {

struct ModuleLists {
  std::string dep;      // modules.dep: "FILE: FILE...", what a file needs behind it
  std::string builtin;  // modules.builtin: a file each line
};

// The files to load for the module, in that order, itself last; empty: the kernel has it built in. "-" and "_" in names
// are the same. Fails with not_found (the kernel has no such module) and invalid_input (a list that leads out of its
// folder).
common::Result<std::vector<std::string>> files_of_module(const ModuleLists& lists, std::string_view name);

// "xen_blkfront" of "kernel/drivers/block/xen-blkfront.ko.xz".
std::string module_name(std::string_view file);

}  // namespace krata::kernel
