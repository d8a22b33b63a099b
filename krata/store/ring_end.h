// The store's end of one domain's ring: between the bytes of a shared page and what the store keeps of them. Pure.
#pragma once

#include <cstdint>

#include "krata/store/store.h"
#include "krata/xen/byte_ring.h"

namespace krata::store {

enum class RingState : std::uint8_t {
  still,   // nothing has moved
  moved,   // the other end has something to look at
  broken,  // the domain did with its ring what nobody may; the store has been told
};

// Takes in what the ring has of requests, unless the domain has to take answers first. The ring itself stays as it is.
RingState take_in(Store& store, DomainId domain, const xen::ByteRing& ring);

// Puts into the ring what it has room for, and gives back the room of what was taken in. Only once all of that is
// written down.
RingState carry(Store& store, DomainId domain, xen::ByteRing& ring);

// The first after a restart: what the former process had written down is in the ring, or in part, or not. The other end
// should be notified in any case.
RingState resume(Store& store, DomainId domain, xen::ByteRing& ring);

}  // namespace krata::store
