// What a disk has done, in memory that outlives the process that serves it: whoever asks reads it there, and wakes
// nobody. Plain structs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::block {

// Since the zone's first run. As requests came: a merged one counts once.
struct Counters {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t errors = 0;  // requests answered with an error
  bool operator==(const Counters&) const = default;
};
static_assert(sizeof(Counters) == 48);

// Where they lie in a disk's memory (DiskMemory of disk.h).
inline constexpr std::size_t kCountersAt = 120;

}  // namespace krata::block
