// Where bytes come from.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"

namespace krata::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the front of `room` and says how much; 0: the end. May block.
  virtual common::Result<std::size_t> read(std::span<char> room) = 0;
};

}  // namespace krata::image
