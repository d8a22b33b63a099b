// What the kernel changes about the whole host because of the agent's interface, and krait down puts back. It is
// remembered in the interface's lock file, from before the interface until after it.
#pragma once

#include <string>

#include "common/event/lock_file.h"
#include "common/result.h"

namespace krait::enforce {

std::string interface_lock_path(const std::string& interface);
// Held by the agent that keeps the interface. Fails with unavailable while another does.
common::Result<common::LockFile> lock_interface(const std::string& interface);

// To be called before the interface is made; when there is one already, or the setting is off, what an earlier call
// remembered stays. Blocks on the file system and the kernel, as does the other.
common::Result<void> remember_settings(const std::string& interface, const common::LockFile& lock);

// To be called after the interface is gone and before the lock file is. Needs CAP_NET_ADMIN.
common::Result<void> restore_settings(const std::string& interface);

}  // namespace krait::enforce
