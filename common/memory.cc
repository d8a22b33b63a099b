#include "common/memory.h"

#include <malloc.h>

#include <cerrno>

namespace common {

Error out_of_memory() { return Error::from_errno(ENOMEM, "out of memory"); }

void release_free_memory() { ::malloc_trim(0); }

void map_large_blocks() {
  constexpr int kBytes = 128 * 1024;  // what glibc begins with; to set it is what keeps it
  ::mallopt(M_MMAP_THRESHOLD, kBytes);
}

}  // namespace common
