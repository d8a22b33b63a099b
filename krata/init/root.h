// The container's file system: its image below an overlay, kernel file systems, devices, further disks, and the files
// of the host in /etc. All of it blocks.
#pragma once

#include "common/result.h"
#include "krata/bundle/bundle.h"

namespace krata::init {

// Makes it and moves this process into it: afterwards / is the container's.
common::Result<void> enter_root(const bundle::Bundle& bundle);

// Takes the further disks and the scratch disk away from whoever still writes to them, so that they end clean.
void leave_disks(const bundle::Bundle& bundle);

}  // namespace krata::init
