#include "krata/store/ring_end.h"

#include <string>

namespace krata::store {

namespace {

constexpr std::size_t kReadBytes = 1024;  // all that a ring can hold: XENSTORE_RING_SIZE of xen/io/xs_wire.h

RingState give_up(Store& store, DomainId domain) {
  store.break_ring(domain);
  return RingState::broken;
}

}  // namespace

RingState take_in(Store& store, DomainId domain, const xen::ByteRing& ring) {
  if (store.is_waited_for(domain)) {
    return RingState::still;
  }
  std::string bytes;
  if (!ring.read_at(store.streams(domain)->taken, bytes, kReadBytes)) {
    return give_up(store, domain);
  }
  store.take_in(domain, bytes);
  return bytes.empty() ? RingState::still : RingState::moved;
}

RingState carry(Store& store, DomainId domain, xen::ByteRing& ring) {
  const Streams& streams = *store.streams(domain);
  const auto begin = streams.put + static_cast<std::uint32_t>(streams.outbox.sent_of_first());
  const auto put = ring.write_at(begin, streams.outbox.waiting());
  if (!put) {
    return give_up(store, domain);
  }
  store.said(domain, *put);
  const bool has_taken = ring.take_up_to(streams.taken);
  return has_taken || *put != 0 ? RingState::moved : RingState::still;
}

RingState resume(Store& store, DomainId domain, xen::ByteRing& ring) {
  const Streams& streams = *store.streams(domain);
  const std::uint32_t through = ring.put() - streams.put;
  if (through > streams.outbox.waiting().size()) {
    return give_up(store, domain);
  }
  store.said(domain, through);
  return carry(store, domain, ring);
}

}  // namespace krata::store
