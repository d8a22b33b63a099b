// What `docker save` writes: a tar archive of manifest.json, a configuration and layers.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "krata/image/reference.h"
#include "krata/image/source.h"

namespace krata::image {

// Reads the archive through once; layers are read where they lie in it. It has no manifest in the sense of registries:
// the source makes the one of Docker's schema 2 that skopeo makes, so that both name the image by the same digest. What
// is compressed in it, or all of it, is unpacked into files without a name in `scratch_folder`. Blocks. Errors:
// invalid_input, limit, unsupported, system.
common::Result<std::unique_ptr<Source>> open_archive(const ArchiveName& name, const std::string& scratch_folder);

}  // namespace krata::image
