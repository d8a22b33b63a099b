// The map krait_snapshot seen from user space: the control page and two buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/datapath/mapped_map.h"
#include "krait/datapath/rcu_barrier.h"

namespace krait::datapath {

// Map entries for buffers of this many pages.
constexpr std::uint32_t snapshot_entries(std::uint32_t buffer_pages) { return 1 + KRAIT_BUFFERS * buffer_pages; }

// Where the records of the snapshot with this header lie, counted from the buffer's first byte; none when the header is
// no snapshot's of a version whose records read alike, or points out of a buffer of `buffer_pages`. Pure: a pinned map
// may hold anything.
struct RecordsPlace {
  std::size_t offset_bytes = 0;
  std::size_t records = 0;
};
std::optional<RecordsPlace> find_records(const krait_snapshot_header& header, std::uint32_t buffer_pages);

// One writer at a time; readers are BPF programs. Only the control page stays mapped.
class SnapshotMap {
 public:
  // Maps the control page. A map that was never used gets its version here. Fails with invalid_input when the control
  // page names a buffer that the map does not have.
  static common::Result<SnapshotMap> open(int map_fd, std::uint32_t entries);

  [[nodiscard]] std::uint32_t buffer_pages() const { return buffer_pages_; }
  [[nodiscard]] krait_control& control() const;
  [[nodiscard]] bool active() const { return control().active != 0; }
  // The active snapshot's header; none without one.
  [[nodiscard]] common::Result<std::optional<krait_snapshot_header>> header() const;
  // Of that, or of the one that deny_all() took out of force.
  [[nodiscard]] common::Result<std::optional<krait_snapshot_header>> held_header() const;
  // Whether the active snapshot is this image, whatever their revisions.
  [[nodiscard]] common::Result<bool> is_active(std::span<const std::byte> image) const;
  // The records of the active snapshot, or of the one that deny_all() took out of force, by whatever process; none
  // without either. What a rule's time was counted from must not be forgotten while everything is denied.
  [[nodiscard]] common::Result<std::vector<krait_rule_record>> rule_records() const;

  // Three steps; a packet sees either all of the old snapshot or all of the new one.
  common::Result<void> fill_inactive(
      std::span<const std::byte> image);          // limit when it does not fit; nothing changed then
  void switch_over();                             // one store
  common::Result<void> wait_for_readers() const;  // until nobody reads the old buffer any more

  // From the next packet on everything is denied, until the next switch_over() or resume().
  void deny_all();
  void resume();  // what deny_all() took out of force; nothing when there was nothing

 private:
  [[nodiscard]] bool is_buffer(std::uint32_t page) const;
  // The first page of the buffer that is active, or was until deny_all(); 0 where there is none.
  [[nodiscard]] std::uint32_t held_page() const;
  [[nodiscard]] std::uint32_t inactive_page() const;
  [[nodiscard]] common::Result<krait_snapshot_header> header_at(std::uint32_t page) const;
  [[nodiscard]] common::Result<MappedMap> map_pages(std::uint32_t first, std::size_t bytes) const;

  common::Fd map_;
  MappedMap control_page_;
  RcuBarrier barrier_;
  std::uint32_t buffer_pages_ = 0;
};

}  // namespace krait::datapath
