// The heap of a program that mostly sleeps.
#pragma once

namespace common {

// Gives the kernel back what the heap holds free, in its middle too: free() alone keeps it. Costs some milliseconds for
// each 10 MB; to be called where much was freed and nothing will be needed soon.
void release_free_memory();

}  // namespace common
