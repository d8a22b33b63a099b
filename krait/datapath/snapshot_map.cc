#include "krait/datapath/snapshot_map.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>

namespace krait::datapath {

common::Result<SnapshotMap> SnapshotMap::open(int map_fd, std::uint32_t entries) {
  auto mapped = MappedMap::map(map_fd, std::size_t{entries} * KRAIT_PAGE_BYTES);
  if (!mapped) {
    return passed_on(mapped, "open the snapshot map");
  }
  auto barrier = RcuBarrier::create();
  if (!barrier) {
    return std::move(barrier.error());
  }
  SnapshotMap snapshot;
  snapshot.mapped_ = std::move(*mapped);
  snapshot.barrier_ = std::move(*barrier);
  snapshot.buffer_pages_ = (entries - 1) / KRAIT_BUFFERS;
  krait_control& control = snapshot.control();
  if (control.active == 0) {
    control.abi_version = KRAIT_ABI_VERSION;
  }
  return snapshot;
}

krait_control& SnapshotMap::control() const { return *reinterpret_cast<krait_control*>(mapped_.memory().data()); }

const krait_snapshot_header* SnapshotMap::active() const {
  const std::uint32_t page = control().active;
  if (page == 0) {
    return nullptr;
  }
  return reinterpret_cast<const krait_snapshot_header*>(mapped_.memory().data() + std::size_t{page} * KRAIT_PAGE_BYTES);
}

std::span<const krait_rule_record> SnapshotMap::rule_records() const {
  const krait_snapshot_header* header = active();
  if (header == nullptr || header->abi_version != KRAIT_ABI_VERSION) {
    return {};
  }
  const std::byte* first =
      mapped_.memory().data() + (std::size_t{control().active} + header->rule_page) * KRAIT_PAGE_BYTES;
  return {reinterpret_cast<const krait_rule_record*>(first), header->rule_records};
}

std::uint32_t SnapshotMap::inactive_page() const { return control().active == 1 ? 1 + buffer_pages_ : 1; }

common::Result<void> SnapshotMap::fill_inactive(std::span<const std::byte> image) {
  const std::size_t pages = image.size() / KRAIT_PAGE_BYTES;
  if (pages > buffer_pages_) {
    return common::Error(
        common::ErrorCode::limit,
        fmt::format("the policy takes {} pages, {} more than a snapshot buffer has", pages, pages - buffer_pages_));
  }
  const std::size_t start = std::size_t{inactive_page()} * KRAIT_PAGE_BYTES;
  std::memcpy(mapped_.memory().data() + start, image.data(), image.size());
  // A copy of some MiB drives it out of the caches, and the switch would wait for it to come back.
  __builtin_prefetch(&control(), 1);
  return {};
}

void SnapshotMap::switch_over() {
  std::atomic_ref<std::uint32_t>(control().active).store(inactive_page(), std::memory_order_release);
}

std::byte* SnapshotMap::page(std::uint32_t number) const {
  return mapped_.memory().data() + std::size_t{number} * KRAIT_PAGE_BYTES;
}

void SnapshotMap::begin_edits() {
  behind_.clear();
  if (const krait_snapshot_header* header = active(); header != nullptr) {
    std::memcpy(page(inactive_page()), header, std::size_t{header->pages} * KRAIT_PAGE_BYTES);
  }
}

void SnapshotMap::edit(std::span<const compile::Patch> patches, std::uint64_t revision) {
  if (active() == nullptr) {
    return;
  }
  std::byte* buffer = page(inactive_page());
  for (const std::span<const compile::Patch> all : {std::span<const compile::Patch>(behind_), patches}) {
    for (const compile::Patch& patch : all) {
      std::memcpy(buffer + patch.offset, &patch.word, sizeof(patch.word));
    }
  }
  std::memcpy(buffer + offsetof(krait_snapshot_header, revision), &revision, sizeof(revision));
  switch_over();
  behind_.assign(patches.begin(), patches.end());
}

common::Result<void> SnapshotMap::wait_for_readers() const { return barrier_.wait(); }

}  // namespace krait::datapath
