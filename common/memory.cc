#include "common/memory.h"

#include <malloc.h>

namespace common {

void release_free_memory() { ::malloc_trim(0); }

}  // namespace common
