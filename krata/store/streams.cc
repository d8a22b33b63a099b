// What domains say and are told by their rings, in the store: it outlives the process as everything else does.
#include <algorithm>
#include <iterator>

#include "krata/store/store.h"

namespace krata::store {

namespace {

constexpr std::size_t kWaitingEventBytes = 128
                                           << 10;  // of a zone that reads none of its events; then its ring is given up

}  // namespace

std::vector<DomainId> Store::domains_with_rings() const {
  std::vector<DomainId> all;
  all.reserve(domains_.size());
  for (const auto& [domain, details] : domains_) {
    all.push_back(domain);
  }
  return all;
}

const Streams* Store::streams(DomainId domain) const {
  const auto found = domains_.find(domain);
  return found == domains_.end() ? nullptr : &found->second.streams;
}

void Store::connect_domain_0(const RingPlace& place) {
  if (!is_introduced(0)) {
    take(DomainIntroduced{.domain = 0});
    note(DomainIntroduced{.domain = 0});
    start_streams(0, place);
  }
}

void Store::start_streams(DomainId domain, const RingPlace& place) {
  const RingStarted started{.domain = domain, .taken = place.taken, .put = place.put, .is_broken = false};
  take(started);
  note(started);
}

void Store::break_ring(DomainId domain) {
  const auto found = domains_.find(domain);
  if (found == domains_.end() || found->second.streams.is_broken) {
    return;
  }
  give_up_on(domain);
  const RingStarted broken{.domain = domain, .taken = 0, .put = 0, .is_broken = true};
  take(broken);
  note(broken);
}

void Store::take_in(DomainId domain, std::string_view bytes) {
  Streams& streams = domains_.at(domain).streams;
  streams.inbox.append(bytes);
  streams.taken += static_cast<std::uint32_t>(bytes.size());
}

bool Store::is_waited_for(DomainId domain) const {
  const Streams& streams = domains_.at(domain).streams;
  return domain != 0 && streams.outbox.waiting_answers() >= quota_.outstanding;
}

// An answer is in the outbox before the next request is looked at, so that what waits is counted.
bool Store::answer_ring(DomainId domain, Messages& out) {
  bool has_left = false;
  while (true) {
    const auto found = domains_.find(domain);  // a request may end its own domain's ring
    if (found == domains_.end() || found->second.streams.is_broken) {
      return false;
    }
    Streams& streams = found->second.streams;
    if (streams.inbox.is_broken()) {
      break_ring(domain);
      return false;
    }
    if (is_waited_for(domain)) {
      has_left = true;
      break;
    }
    const auto request = streams.inbox.next();
    if (!request) {
      if (streams.inbox.is_broken()) {
        continue;
      }
      break;
    }
    Messages said;
    handle(domain, *request, said);
    queue(said);
    std::ranges::move(said, std::back_inserter(out));
  }
  const Streams& streams = domains_.at(domain).streams;
  note(RingTaken{.domain = domain, .taken = streams.taken, .rest = std::string(streams.inbox.waiting())});
  return has_left;
}

void Store::queue(const Messages& messages) {
  for (const Message& message : messages) {
    const auto found = message.to < kFirstSocket ? domains_.find(static_cast<DomainId>(message.to)) : domains_.end();
    if (found == domains_.end() || found->second.streams.is_broken) {
      continue;
    }
    if (found->second.streams.outbox.add(message)) {
      note(RingSaid{.domain = found->first, .is_event = message.is_event, .bytes = message.bytes});
    }
    if (found->first != 0 && found->second.streams.outbox.waiting_event_bytes() > kWaitingEventBytes) {
      break_ring(found->first);
    }
  }
}

void Store::said(DomainId domain, std::size_t bytes) {
  Streams& streams = domains_.at(domain).streams;
  streams.put += static_cast<std::uint32_t>(streams.outbox.sent(bytes));
}

bool Store::take(const RingStarted& started) {
  const auto found = domains_.find(started.domain);
  if (found == domains_.end()) {
    return false;
  }
  found->second.streams = {};
  found->second.streams.taken = started.taken;
  found->second.streams.put = started.put;
  found->second.streams.is_broken = started.is_broken;
  return true;
}

bool Store::take(const RingTaken& taken) {
  const auto found = domains_.find(taken.domain);
  if (found == domains_.end()) {
    return false;
  }
  found->second.streams.taken = taken.taken;
  found->second.streams.inbox = {};
  found->second.streams.inbox.append(taken.rest);
  return true;
}

bool Store::take(const RingSaid& said) {
  const auto found = domains_.find(said.domain);
  if (found == domains_.end()) {
    return false;
  }
  found->second.streams.outbox.append(said.bytes, said.is_event);
  return true;
}

void Store::save_streams(DomainId domain, const Streams& streams, Changes& changes) {
  changes.emplace_back(
      RingStarted{.domain = domain, .taken = streams.taken, .put = streams.put, .is_broken = streams.is_broken});
  changes.emplace_back(
      RingTaken{.domain = domain, .taken = streams.taken, .rest = std::string(streams.inbox.waiting())});
  for (const Outbox::Waiting& message : streams.outbox.messages()) {
    changes.emplace_back(RingSaid{.domain = domain, .is_event = message.is_event, .bytes = std::string(message.bytes)});
  }
}

}  // namespace krata::store
