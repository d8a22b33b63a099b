// For fuzz targets: a broken promise ends the process, as libFuzzer wants it.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace krait {

inline void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

}  // namespace krait
