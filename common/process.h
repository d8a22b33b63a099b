// What a process that handles secrets asks of the kernel.
#pragma once

namespace common {

// From here on the kernel writes no core of this process, neither to a file nor to a crash collector's pipe, and other
// processes of the same user cannot read its memory (PR_SET_DUMPABLE in prctl(2)). An exec undoes it.
void forbid_memory_dumps();

}  // namespace common
