#include "common/memory.h"

#include <malloc.h>

#include <cerrno>

namespace common {

Error out_of_memory() { return Error::from_errno(ENOMEM, "out of memory"); }

void release_free_memory() { ::malloc_trim(0); }

}  // namespace common
