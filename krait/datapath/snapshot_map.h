// The map krait_snapshot seen from user space: the control page and two buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/patch.h"
#include "krait/datapath/mapped_map.h"
#include "krait/datapath/rcu_barrier.h"

namespace krait::datapath {

// Map entries for buffers of this many pages.
constexpr std::uint32_t snapshot_entries(std::uint32_t buffer_pages) { return 1 + KRAIT_BUFFERS * buffer_pages; }

// One writer at a time; readers are BPF programs.
class SnapshotMap {
 public:
  // Maps the memory; the descriptor stays the caller's. A new map gets its version here.
  static common::Result<SnapshotMap> open(int map_fd, std::uint32_t entries);

  [[nodiscard]] std::uint32_t buffer_pages() const { return buffer_pages_; }
  [[nodiscard]] krait_control& control() const;
  // The active buffer's header, or nullptr.
  [[nodiscard]] const krait_snapshot_header* active() const;

  // The active snapshot's records, valid until the next switch; none without one.
  [[nodiscard]] std::span<const krait_rule_record> rule_records() const;

  // Three steps; a packet sees either all of the old snapshot or all of the new one.
  common::Result<void> fill_inactive(
      std::span<const std::byte> image);          // limit when it does not fit; nothing changed then
  void switch_over();                             // one store
  common::Result<void> wait_for_readers() const;  // until nobody reads the old buffer any more

  // The same for small changes to the active snapshot (compile::Editor): the changed words instead of the whole image.
  // Between two of these calls stands a wait_for_readers(). Without an active snapshot nothing happens.
  void begin_edits();  // makes the buffers alike; once after the last fill_inactive()
  void edit(std::span<const compile::Patch> patches, std::uint64_t revision);  // switches too

 private:
  [[nodiscard]] std::uint32_t inactive_page() const;
  [[nodiscard]] std::byte* page(std::uint32_t number) const;

  MappedMap mapped_;
  RcuBarrier barrier_;
  std::uint32_t buffer_pages_ = 0;
  std::vector<compile::Patch> behind_;  // what the inactive buffer lacks of the active one, between edits
};

}  // namespace krait::datapath
