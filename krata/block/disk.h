// The back end of one virtual disk: takes requests off a ring that the zone may write at any time, judges its own
// copies of them, and answers (XSA-155). Pure but for the ports and the shared pages. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/result.h"
#include "krata/block/blkif.h"
#include "krata/block/counters.h"
#include "krata/block/ports.h"

namespace krata::block {

enum class Progress : std::uint8_t {
  idle,    // nothing is left: wait for the next event
  more,    // the bound of one turn was reached: call again after others had theirs
  broken,  // the zone wrote what no front end writes: the ring is not to be looked at any more
};

// The request that is being carried out, in memory that outlives the process: its answer takes its place in the ring,
// and a process that ends in between leaves a slot that is neither. Whoever comes after it carries it out again.
struct UnderWay {
  RawRequest request;
  std::uint32_t number;  // of the request in the ring
  std::uint32_t is_set;
};
static_assert(sizeof(UnderWay) == sizeof(RawRequest) + 8);

// What outlives the process.
struct DiskMemory {
  UnderWay under_way{};
  Counters counters{};
};
static_assert(offsetof(DiskMemory, counters) == kCountersAt);

class Disk {
 public:
  // `ring` is the zone's granted pages, mapped one after the other: 1, 2 or 4. `memory` is what a former disk has
  // left; for a new ring nothing is under way. All outlive the disk.
  Disk(std::span<std::byte> ring, DiskMemory& memory, Medium& medium, GrantedPages& granted, Notifier& notifier);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Serves what lies in the ring, at most one ring of requests; to be called after each event, and once at the start.
  Progress serve();

  [[nodiscard]] const Counters& counters() const { return memory_.counters; }
  // Why it is broken; empty: it is not.
  [[nodiscard]] const char* fault() const { return fault_; }

 private:
  [[nodiscard]] std::uint32_t load(std::size_t offset) const;
  void store(std::size_t offset, std::uint32_t value);
  [[nodiscard]] RawRequest copy_request(std::uint32_t number) const;
  RawRequest take_request(std::uint32_t number);
  void put_response(const RawRequest& request, Status status);
  void publish(std::uint32_t before);
  Progress broken(const char* fault);

  Status carry_out(const RawRequest& request);
  Status carry_out_indirect(const RawRequest& request);
  Status carry_out_discard(const RawRequest& request);
  bool take_list(std::uint32_t grant, std::span<Segment> segments);
  Status transfer(Operation operation, std::uint64_t sector, std::span<const Segment> segments);
  bool find(std::span<const Segment> segments, std::span<std::span<std::byte>> places);
  bool copy(std::span<const Segment> segments, bool to_zone);

  std::span<std::byte> ring_;
  DiskMemory& memory_;
  std::uint32_t slots_;
  Medium& medium_;
  GrantedPages& granted_;
  Notifier& notifier_;
  std::unique_ptr<std::byte[]> buffer_;  // kBufferBytes; what was never used of it takes no memory
  std::uint32_t requests_consumed_ = 0;
  std::uint32_t responses_produced_ = 0;
  const char* fault_ = "";
};

}  // namespace krata::block
