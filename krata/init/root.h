// The container's file system: its image below an overlay, kernel file systems, devices, further disks, and the files
// of the host in /etc. All of it blocks.
#pragma once

#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krata/bundle/bundle.h"

namespace krata::init {

// The mounts of disks that are written to, however the container has moved or hidden them.
using Disks = std::vector<common::Fd>;

// Makes it and moves this process into it: afterwards / is the container's.
common::Result<Disks> enter_root(const bundle::Bundle& bundle);

// Takes the disks away from whoever still writes to them, so that their file systems end clean.
void leave_disks(const Disks& disks);

}  // namespace krata::init
