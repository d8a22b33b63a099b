#include "krata/store/ring_end.h"

#include <string>

namespace krata::store {

namespace {

constexpr int kMaxTurns = 16;
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
  bool has_put = false;
  while (!streams.outbox.waiting().empty()) {
    const auto begin = streams.put + static_cast<std::uint32_t>(streams.outbox.sent_of_first());
    const auto put = ring.write_at(begin, streams.outbox.waiting());
    if (!put) {
      return give_up(store, domain);
    }
    if (*put == 0) {
      break;
    }
    store.said(domain, *put);
    has_put = true;
  }
  const bool has_taken = ring.take_up_to(streams.taken);
  return has_taken || has_put ? RingState::moved : RingState::still;
}

RingState serve(Store& store, DomainId domain, Messages& messages, RingPort& port) {
  const auto is_served = [&] {
    const Streams* streams = store.streams(domain);
    return port.ring() != nullptr && streams != nullptr && !streams->is_broken;
  };
  bool may_answer = true;  // what was taken in before
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    const RingState taken = take_in(store, domain, *port.ring());
    if (taken == RingState::broken) {
      return taken;
    }
    if (taken == RingState::still && !may_answer) {
      return RingState::still;
    }
    const bool has_left = store.answer_ring(domain, messages);
    const bool is_broken = !is_served();
    if (!port.keep()) {
      return RingState::still;
    }
    if (is_broken) {
      return RingState::broken;
    }
    if (!is_served()) {
      return RingState::still;  // whoever carried meanwhile has found out, and said so
    }
    const RingState carried = carry(store, domain, *port.ring());
    if (carried == RingState::broken) {
      return carried;
    }
    if (carried == RingState::moved) {
      port.notify();
    }
    may_answer = has_left && !store.is_waited_for(domain);
  }
  return RingState::moved;
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
