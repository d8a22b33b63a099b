// The heap of a program that mostly sleeps.
#pragma once

#include <new>
#include <utility>

#include "common/result.h"

namespace common {

Error out_of_memory();

// What `call` gives, a Result; an allocation that fails in it (a limit of the process, a huge file) becomes the error
// `system` with ENOMEM. For calls that change nothing but what they give.
template <typename Call>
auto within_memory(Call&& call) -> decltype(std::forward<Call>(call)()) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

// Gives the kernel back what the heap holds free, in its middle too: free() alone keeps it. Costs some milliseconds for
// each 10 MB; to be called where much was freed and nothing will be needed soon.
void release_free_memory();

// From now on each block of 128 KiB or more for which the heap has no room has a mapping of its own, which goes back to
// the kernel when it is freed.
// Left alone, glibc takes the largest block freed so far, up to 32 MiB, for the bound, and keeps what is below it. For
// the whole process, before its threads.
void map_large_blocks();

}  // namespace common
