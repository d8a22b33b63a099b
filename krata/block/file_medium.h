// A file or block device as a disk.
#pragma once

#include <memory>
#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "krata/block/ports.h"

namespace krata::block {

// Takes a descriptor that is open for what is wanted. Its size is that of now; the last bytes of a file that fill no
// sector are read as followed by zeros. Fails with invalid_input (neither file nor block device, or empty) and system.
common::Result<std::unique_ptr<Medium>> file_medium(common::Fd file, bool read_only, const std::string& name);

}  // namespace krata::block
