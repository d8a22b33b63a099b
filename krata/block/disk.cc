#include "krata/block/disk.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>

namespace krata::block {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{kMaxIndirectSegments} * kPageBytes;

// How many sectors the segments are; nothing where one is malformed.
std::optional<std::uint64_t> sectors_of(std::span<const Segment> segments) {
  std::uint64_t sectors = 0;
  for (const Segment& segment : segments) {
    if (segment.first_sector > segment.last_sector || segment.last_sector >= kSectorsInPage) {
      return std::nullopt;
    }
    sectors += segment.last_sector - segment.first_sector + 1U;
  }
  return sectors;
}

// Of memory that the zone writes. An atomic read is one that the compiler neither repeats nor leaves to later
// (XSA-155).
template <typename T>
T read_once(std::byte* shared) {
  std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)> words{};
  static_assert(sizeof(words) == sizeof(T));
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = std::atomic_ref(reinterpret_cast<std::uint64_t*>(shared)[i]).load(std::memory_order_relaxed);
  }
  return std::bit_cast<T>(words);
}

bool lies_within(std::uint64_t sector, std::uint64_t sectors, std::uint64_t whole) {
  return sector <= whole && sectors <= whole - sector;
}

}  // namespace

Disk::Disk(std::span<std::byte> ring, DiskMemory& memory, Medium& medium, GrantedPages& granted, Notifier& notifier)
    : ring_(ring),
      memory_(memory),
      slots_(slots_in(ring.size())),
      medium_(medium),
      granted_(granted),
      notifier_(notifier),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kBufferBytes)),
      // Where a former process was when it ended; 0 in a new ring.
      requests_consumed_(load(kResponsesProduced)),
      responses_produced_(requests_consumed_) {}

// The zone may write anywhere in the ring at any time: each word is read once, and what was read is what counts.
std::uint32_t Disk::load(std::size_t offset) const {
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(ring_.data() + offset)).load(std::memory_order_acquire);
}

void Disk::store(std::size_t offset, std::uint32_t value) {
  std::atomic_ref(*reinterpret_cast<std::uint32_t*>(ring_.data() + offset)).store(value, std::memory_order_release);
}

RawRequest Disk::copy_request(std::uint32_t number) const {
  return read_once<RawRequest>(ring_.data() + kRingHeaderBytes + (number % slots_) * kSlotBytes);
}

RawRequest Disk::take_request(std::uint32_t number) {
  const std::atomic_ref is_set(memory_.under_way.is_set);
  if (is_set.load() != 0 && memory_.under_way.number == number) {
    return memory_.under_way.request;
  }
  const RawRequest request = copy_request(number);
  is_set.store(0);
  memory_.under_way.request = request;
  memory_.under_way.number = number;
  is_set.store(1);
  return request;
}

// The slots are the requests' own: each is answered before the next is looked at, so the answer overwrites what was
// read.
void Disk::put_response(const RawRequest& request, Status status) {
  // Linux's front end gives the disk up when an indirect request is not answered as what it means (blkif_interrupt in
  // drivers/block/xen-blkfront.c).
  const bool is_indirect = Operation{request.operation} == Operation::indirect;
  const RawResponse response{.id = request.id,
                             .operation = is_indirect ? std::bit_cast<RawIndirect>(request).meant : request.operation,
                             .padding = 0,
                             .status = static_cast<std::int16_t>(status),
                             .padding2 = 0};
  std::byte* const slot = ring_.data() + kRingHeaderBytes + (responses_produced_ % slots_) * kSlotBytes;
  std::memcpy(slot, &response, sizeof(response));
  ++responses_produced_;
  memory_.counters.errors += status == Status::ok ? 0 : 1;
}

// As RING_PUSH_RESPONSES_AND_CHECK_NOTIFY of xen/io/ring.h.
void Disk::publish(std::uint32_t before) {
  if (responses_produced_ == before) {
    return;
  }
  store(kResponsesProduced, responses_produced_);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (responses_produced_ - load(kResponseEvent) < responses_produced_ - before) {
    notifier_.notify();
  }
}

Progress Disk::broken(const char* fault) {
  fault_ = fault;
  return Progress::broken;
}

Progress Disk::serve() {
  if (*fault_ != '\0') {
    return Progress::broken;
  }
  std::uint32_t left = slots_;
  for (;;) {
    const std::uint32_t produced = load(kRequestsProduced);
    if (produced - responses_produced_ > slots_) {
      return broken("the ring's producer is ahead by more than the ring, or went back");
    }
    const std::uint32_t before = responses_produced_;
    for (; requests_consumed_ != produced && left > 0; --left) {
      const RawRequest request = take_request(requests_consumed_);
      ++requests_consumed_;
      put_response(request, carry_out(request));
      store(kResponsesProduced, responses_produced_);
    }
    publish(before);
    if (requests_consumed_ != produced) {
      return Progress::more;
    }
    store(kRequestEvent, requests_consumed_ + 1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (load(kRequestsProduced) == requests_consumed_) {
      return Progress::idle;
    }
    if (left == 0) {
      return Progress::more;
    }
  }
}

Status Disk::carry_out(const RawRequest& request) {
  switch (Operation{request.operation}) {
    case Operation::read:
    case Operation::write:
      if (request.segments > kMaxSegments) {
        return Status::error;
      }
      return transfer(Operation{request.operation}, request.sector, std::span(request.segment).first(request.segments));
    case Operation::flush:
      ++memory_.counters.flushes;
      return request.segments == 0 && medium_.flush() ? Status::ok : Status::error;
    case Operation::discard:
      return carry_out_discard(request);
    case Operation::indirect:
      return carry_out_indirect(request);
    case Operation::barrier:
      break;  // not offered
  }
  return Status::unsupported;
}

Status Disk::carry_out_discard(const RawRequest& request) {
  const auto discard = std::bit_cast<RawDiscard>(request);
  if (discard.flags != 0) {
    return Status::unsupported;
  }
  if (medium_.read_only() || !lies_within(discard.sector, discard.sectors, medium_.sectors())) {
    return Status::error;
  }
  return discard.sectors == 0 || medium_.discard(discard.sector, discard.sectors) ? Status::ok : Status::error;
}

Status Disk::carry_out_indirect(const RawRequest& request) {
  const auto indirect = std::bit_cast<RawIndirect>(request);
  const auto meant = Operation{indirect.meant};
  if ((meant != Operation::read && meant != Operation::write) || indirect.segments > kMaxIndirectSegments) {
    return Status::error;
  }
  std::array<Segment, kMaxIndirectSegments> room{};
  const auto segments = std::span(room).first(indirect.segments);
  return take_list(indirect.grant[0], segments) ? transfer(meant, indirect.sector, segments) : Status::error;
}

// Into our own memory, of a page that is lent too: what was judged is what is done.
bool Disk::take_list(std::uint32_t grant, std::span<Segment> segments) {
  std::array<std::byte*, 1> page{};
  if (!granted_.find(std::span(&grant, 1), page)) {
    std::array<Copy, 1> copies{Copy{.grant = grant,
                                    .offset_bytes = 0,
                                    .length_bytes = static_cast<std::uint16_t>(segments.size_bytes()),
                                    .ours = reinterpret_cast<std::byte*>(segments.data())}};
    return !segments.empty() && granted_.copy(copies) && copies[0].done;
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    segments[i] = read_once<Segment>(page[0] + i * sizeof(Segment));
  }
  return true;
}

Status Disk::transfer(Operation operation, std::uint64_t sector, std::span<const Segment> segments) {
  const auto sectors = sectors_of(segments);
  const bool writes = operation == Operation::write;
  if (!sectors || *sectors == 0 || !lies_within(sector, *sectors, medium_.sectors()) ||
      (writes && medium_.read_only())) {
    return Status::error;
  }
  const std::uint64_t bytes = *sectors * kSectorBytes;
  std::array<std::span<std::byte>, kMaxIndirectSegments> places;
  const bool is_lent = find(segments, places);
  if (!is_lent) {
    places[0] = {buffer_.get(), bytes};
  }
  const Pieces pieces = std::span(places).first(is_lent ? segments.size() : 1);
  if (writes) {
    ++memory_.counters.writes;
    memory_.counters.written_bytes += bytes;
    return (is_lent || copy(segments, false)) && medium_.write(sector, pieces) ? Status::ok : Status::error;
  }
  ++memory_.counters.reads;
  memory_.counters.read_bytes += bytes;
  return medium_.read(sector, pieces) && (is_lent || copy(segments, true)) ? Status::ok : Status::error;
}

// Of pages that are lent the medium's bytes need no copy of ours, and nothing in them is judged.
bool Disk::find(std::span<const Segment> segments, std::span<std::span<std::byte>> places) {
  std::array<std::uint32_t, kMaxIndirectSegments> grants{};
  std::array<std::byte*, kMaxIndirectSegments> pages{};
  std::ranges::transform(segments, grants.begin(), &Segment::grant);
  if (!granted_.find(std::span(grants).first(segments.size()), std::span(pages).first(segments.size()))) {
    return false;
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    const std::size_t first = segment.first_sector;
    places[i] = {pages[i] + first * kSectorBytes, (segment.last_sector - first + 1) * kSectorBytes};
  }
  return true;
}

bool Disk::copy(std::span<const Segment> segments, bool to_zone) {
  static_assert(kMaxIndirectSegments <= kMaxCopies);
  std::array<Copy, kMaxIndirectSegments> copies{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    const auto length = static_cast<std::uint16_t>((segment.last_sector - segment.first_sector + 1) * kSectorBytes);
    copies[i] = {.grant = segment.grant,
                 .offset_bytes = static_cast<std::uint16_t>(segment.first_sector * kSectorBytes),
                 .length_bytes = length,
                 .ours = buffer_.get() + at,
                 .to_zone = to_zone};
    at += length;
  }
  const std::span<Copy> used = std::span(copies).first(segments.size());
  return granted_.copy(used) && std::ranges::all_of(used, [](const Copy& copy) { return copy.done; });
}

}  // namespace krata::block
