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

// What serve() needs of the world.
class RingPort {
 public:
  virtual ~RingPort() = default;
  virtual xen::ByteRing* ring() = 0;  // null: not there any more
  virtual bool keep() = 0;            // writes down what has changed, hands out what follows; false: it could not
  virtual void notify() = 0;          // the other end
};

// Takes in, answers and carries until there is nothing more to do: the other end notifies only when it finds the ring
// empty, or full of answers, so that nobody tells of what it has put there, or taken, meanwhile (xb_write and xb_read
// in drivers/xen/xenbus/xenbus_comms.c). Some turns at most: `moved` means that there may be more, and that it is the
// others' turn; `broken` also that the ring is gone.
RingState serve(Store& store, DomainId domain, Messages& messages, RingPort& port);

// The first after a restart: what the former process had written down is in the ring, or in part, or not. The other end
// should be notified in any case.
RingState resume(Store& store, DomainId domain, xen::ByteRing& ring);

}  // namespace krata::store
