#include "krait/datapath/snapshot_map.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace krait::datapath {

namespace {

constexpr std::size_t kRevisionAt = offsetof(krait_snapshot_header, revision);
constexpr std::size_t kBehindRevision = kRevisionAt + sizeof(krait_snapshot_header::revision);

std::size_t bytes_of(std::uint32_t pages) { return std::size_t{pages} * KRAIT_PAGE_BYTES; }

}  // namespace

std::optional<RecordsPlace> find_records(const krait_snapshot_header& header, std::uint32_t buffer_pages) {
  if (header.magic != KRAIT_SNAPSHOT_MAGIC || header.abi_version < KRAIT_ABI_RECORDS_SINCE ||
      header.abi_version > KRAIT_ABI_VERSION) {
    return std::nullopt;
  }
  const std::size_t offset = bytes_of(header.rule_page);
  const std::size_t bytes = std::size_t{header.rule_records} * sizeof(krait_rule_record);
  if (header.pages > buffer_pages || offset + bytes > bytes_of(header.pages)) {
    return std::nullopt;
  }
  return RecordsPlace{.offset_bytes = offset, .records = header.rule_records};
}

common::Result<SnapshotMap> SnapshotMap::open(int map_fd, std::uint32_t entries) {
  SnapshotMap snapshot;
  snapshot.map_.reset(::fcntl(map_fd, F_DUPFD_CLOEXEC, 0));
  KRAIT_TRY(auto control_page,
            snapshot.map_.valid() ? MappedMap::map(snapshot.map_.get(), 0, KRAIT_PAGE_BYTES)
                                  : common::Result<MappedMap>(common::Error::from_errno(errno, "keep a descriptor")),
            "open the snapshot map");
  KRAIT_TRY(auto barrier, RcuBarrier::create());
  snapshot.control_page_ = std::move(control_page);
  snapshot.barrier_ = std::move(barrier);
  snapshot.buffer_pages_ = (entries - 1) / KRAIT_BUFFERS;
  krait_control& control = snapshot.control();
  if (control.active != 0 && !snapshot.is_buffer(control.active)) {
    return common::Error(common::ErrorCode::invalid_input,
                         fmt::format("the snapshot map's control page names page {}, where no buffer begins; it was "
                                     "damaged: krait down, then krait up",
                                     control.active));
  }
  if (control.abi_version == 0) {
    control.abi_version = KRAIT_ABI_VERSION;
  }
  return snapshot;
}

bool SnapshotMap::is_buffer(std::uint32_t page) const { return page == 1 || page == 1 + buffer_pages_; }

std::uint32_t SnapshotMap::held_page() const {
  if (active()) {
    return control().active;
  }
  return is_buffer(control().suspended) ? control().suspended : 0;
}

krait_control& SnapshotMap::control() const { return *reinterpret_cast<krait_control*>(control_page_.memory().data()); }

common::Result<MappedMap> SnapshotMap::map_pages(std::uint32_t first, std::size_t bytes) const {
  return MappedMap::map(map_.get(), bytes_of(first), bytes);
}

common::Result<krait_snapshot_header> SnapshotMap::header_at(std::uint32_t page) const {
  KRAIT_TRY(const auto memory, map_pages(page, KRAIT_PAGE_BYTES));
  krait_snapshot_header header{};
  std::memcpy(&header, memory.memory().data(), sizeof(header));
  return header;
}

common::Result<std::optional<krait_snapshot_header>> SnapshotMap::header() const {
  return active() ? held_header() : common::Result<std::optional<krait_snapshot_header>>(std::nullopt);
}

common::Result<std::optional<krait_snapshot_header>> SnapshotMap::held_header() const {
  const std::uint32_t page = held_page();
  if (page == 0) {
    return std::optional<krait_snapshot_header>();
  }
  KRAIT_TRY(const auto found, header_at(page));
  return std::optional(found);
}

common::Result<bool> SnapshotMap::is_active(std::span<const std::byte> image) const {
  if (!active() || image.size() > bytes_of(buffer_pages_)) {
    return false;
  }
  KRAIT_TRY(const auto buffer, map_pages(control().active, image.size()));
  const auto present = buffer.memory();
  return std::ranges::equal(present.first(kRevisionAt), image.first(kRevisionAt)) &&
         std::memcmp(present.data() + kBehindRevision, image.data() + kBehindRevision,
                     image.size() - kBehindRevision) == 0;
}

common::Result<std::vector<krait_rule_record>> SnapshotMap::rule_records() const {
  const std::uint32_t page = held_page();
  if (page == 0) {
    return std::vector<krait_rule_record>();
  }
  KRAIT_TRY(const auto found, header_at(page));
  const auto place = find_records(found, buffer_pages_);
  if (!place || place->records == 0) {
    return std::vector<krait_rule_record>();
  }
  std::vector<krait_rule_record> records(place->records);
  const std::size_t bytes = records.size() * sizeof(krait_rule_record);
  KRAIT_TRY(const auto pages, MappedMap::map(map_.get(), bytes_of(page) + place->offset_bytes, bytes));
  std::memcpy(records.data(), pages.memory().data(), bytes);
  return records;
}

std::uint32_t SnapshotMap::inactive_page() const { return held_page() == 1 ? 1 + buffer_pages_ : 1; }

common::Result<void> SnapshotMap::fill_inactive(std::span<const std::byte> image) {
  const std::size_t pages = image.size() / KRAIT_PAGE_BYTES;
  if (pages > buffer_pages_) {
    return common::Error(
        common::ErrorCode::limit,
        fmt::format("the policy takes {} pages, {} more than a snapshot buffer has", pages, pages - buffer_pages_));
  }
  KRAIT_TRY(const auto buffer, map_pages(inactive_page(), image.size()));
  std::memcpy(buffer.memory().data(), image.data(), image.size());
  // A copy of some MiB drives it out of the caches, and the switch would wait for it to come back.
  __builtin_prefetch(&control(), 1);
  return {};
}

void SnapshotMap::switch_over() {
  std::atomic_ref<std::uint32_t>(control().active).store(inactive_page(), std::memory_order_release);
}

void SnapshotMap::deny_all() {
  if (active()) {
    control().suspended = control().active;
  }
  std::atomic_ref<std::uint32_t>(control().active).store(0, std::memory_order_release);
}

void SnapshotMap::resume() {
  std::atomic_ref<std::uint32_t>(control().active).store(held_page(), std::memory_order_release);
}

common::Result<void> SnapshotMap::wait_for_readers() const { return barrier_.wait(); }

}  // namespace krait::datapath
