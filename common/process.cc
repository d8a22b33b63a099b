#include "common/process.h"

#include <sys/prctl.h>

namespace common {

void forbid_memory_dumps() { ::prctl(PR_SET_DUMPABLE, 0); }

}  // namespace common
