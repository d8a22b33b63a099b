// The first byte of each node in the bytes of a part.
#pragma once

#include <cstdint>

#include "krait/trust/codec.h"

namespace krait::trust {

enum class Mark : std::uint8_t { nothing, pruned, stub, leaf, branch, same };

inline void write_mark(Writer& writer, Mark mark) { writer.integer(static_cast<std::uint8_t>(mark)); }

}  // namespace krait::trust
