// How far a download is, for people, on standard error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "krata/image/source.h"

namespace krata::cli {

// On a terminal a bar for each blob, drawn anew as it moves; elsewhere a line for each blob when it is there. Nothing
// at all when `quiet`.
std::unique_ptr<image::Progress> make_progress(bool quiet);

}  // namespace krata::cli
