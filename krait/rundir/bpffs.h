// Krait's own BPF file system: where the pins live. Its own, because the one on /sys/fs/bpf is root's alone, and the
// agent need not be root.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace krait::rundir {

inline constexpr const char* kBpffs = "/run/krait/bpf";

// True when a BPF file system is what one sees at `path`.
bool is_bpffs(const std::string& path);

// Its folder (O_PATH), whatever links it may stand beside: follows none at the end of `path`. not_found where nothing
// is there or no BPF file system.
common::Result<common::Fd> open_bpffs(const std::string& path);

// Makes the last two folders of `path` where they are missing and mounts a BPF file system there unless one is there
// already. Follows no symbolic link in these two, since the agent's user may write to the first. Mounting needs
// CAP_SYS_ADMIN; without it the error names the hint.
common::Result<void> mount_bpffs(const std::string& path);

// Gives the file system with all that is pinned, and the folder that it stands in with its files, to that user, so that
// an agent without privileges over files can work there. A file that has a second name elsewhere stays whose it is.
// Needs root.
common::Result<void> give_bpffs(const std::string& path, uid_t user, gid_t group);

// Mounts it again for the agent whose folder it stands in, and gives it to that agent's user; nothing where that folder
// is missing or the file system is there. Needs root.
common::Result<void> mend_bpffs(const std::string& path);

// Unmounts it when nothing is pinned there any more. Without CAP_SYS_ADMIN, or while it is in use, it stays.
void release_bpffs(const std::string& path);

}  // namespace krait::rundir
