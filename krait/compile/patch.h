// A change to one word of a snapshot buffer.
#pragma once

#include <cstdint>

namespace krait::compile {

struct Patch {
  std::uint32_t offset = 0;  // bytes from the buffer's start, a multiple of 4
  std::uint32_t word = 0;
};

}  // namespace krait::compile
