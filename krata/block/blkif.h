// The bytes of a virtual disk's ring as a 64-bit x86 guest lays them out (xen/io/blkif.h, xen/io/ring.h; blkif.cc
// asserts each number and offset). Plain structs without pointers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::block {

inline constexpr std::uint32_t kSectorBytes = 512;
inline constexpr std::uint32_t kPageBytes = 4096;
inline constexpr std::uint32_t kSectorsInPage = kPageBytes / kSectorBytes;
inline constexpr std::uint32_t kMaxSegments = 11;          // BLKIF_MAX_SEGMENTS_PER_REQUEST
inline constexpr std::uint32_t kMaxIndirectSegments = 64;  // what we offer as feature-max-indirect-segments: 256 KiB
inline constexpr std::uint32_t kMaxRingPageOrder = 2;      // what we offer: four pages, 128 requests

enum class Operation : std::uint8_t { read = 0, write = 1, barrier = 2, flush = 3, discard = 5, indirect = 6 };

enum class Status : std::int16_t { ok = 0, error = -1, unsupported = -2 };

struct Segment {
  std::uint32_t grant;
  std::uint8_t first_sector;  // in the page: 0 to 7
  std::uint8_t last_sector;   // inclusive
  std::uint16_t padding;
};
static_assert(sizeof(Segment) == 8);

// One slot of the ring, before anything in it was believed.
struct RawRequest {
  std::uint8_t operation;
  std::uint8_t segments;
  std::uint16_t handle;
  std::uint32_t padding;
  std::uint64_t id;
  std::uint64_t sector;
  Segment segment[kMaxSegments];
};
static_assert(sizeof(RawRequest) == 112);

struct RawResponse {
  std::uint64_t id;
  std::uint8_t operation;
  std::uint8_t padding;
  std::int16_t status;
  std::uint32_t padding2;
};
static_assert(sizeof(RawResponse) == 16);

// The same slot, by its operation.
struct RawIndirect {
  std::uint8_t operation;
  std::uint8_t meant;  // Operation::read or write
  std::uint16_t segments;
  std::uint32_t padding;
  std::uint64_t id;
  std::uint64_t sector;
  std::uint16_t handle;
  std::uint16_t padding2;
  std::uint32_t grant[8];  // pages full of segments; kMaxIndirectSegments fit into the first
  std::uint8_t unused[sizeof(RawRequest) - 60];
};
static_assert(sizeof(RawIndirect) == sizeof(RawRequest));

struct RawDiscard {
  std::uint8_t operation;
  std::uint8_t flags;  // 1: so that nobody can read it again, which we do not offer
  std::uint16_t handle;
  std::uint32_t padding;
  std::uint64_t id;
  std::uint64_t sector;
  std::uint64_t sectors;
  std::uint8_t unused[sizeof(RawRequest) - 32];
};
static_assert(sizeof(RawDiscard) == sizeof(RawRequest));

// The ring's first bytes, each a number of four bytes that the two ends count up; the slots follow at kRingHeaderBytes.
inline constexpr std::size_t kRequestsProduced = 0;   // by the zone
inline constexpr std::size_t kRequestEvent = 4;       // ours: wake us at this request
inline constexpr std::size_t kResponsesProduced = 8;  // by us
inline constexpr std::size_t kResponseEvent = 12;     // the zone's: wake it at this response
inline constexpr std::size_t kRingHeaderBytes = 64;
inline constexpr std::size_t kSlotBytes = sizeof(RawRequest);

// How many slots a ring of so many bytes has: a power of two.
constexpr std::uint32_t slots_in(std::size_t ring_bytes) {
  std::uint32_t slots = 1;
  while (kRingHeaderBytes + std::size_t{slots} * 2 * kSlotBytes <= ring_bytes) {
    slots *= 2;
  }
  return slots;
}

}  // namespace krata::block
