#include "krata/boot/tables.h"

#include <array>

namespace krata::boot {

namespace {

// Bits of an entry: Intel's manual, volume 3, 4.5.
constexpr TableEntry kPresent = 1U << 0U;
constexpr TableEntry kWritable = 1U << 1U;
constexpr TableEntry kUser = 1U << 2U;
constexpr TableEntry kAccessed = 1U << 5U;
constexpr TableEntry kDirty = 1U << 6U;
constexpr TableEntry kReadOnlyPage = kPresent | kAccessed | kDirty;
constexpr TableEntry kPage = kReadOnlyPage | kWritable;
constexpr TableEntry kTable = kPage | kUser;

// Maps pages one after the other, by tables that lie one after the other.
class Mapper {
 public:
  // `place` holds the tables below the highest level, lowest level last; `entries` are their contents from `offset` on.
  Mapper(std::span<const xen::Frame> frames, std::span<TableEntry> top, std::span<TableEntry> below, xen::Pfn first)
      : frames_(frames), top_(top), below_(below), first_(first) {}

  template <typename Flags>
  void map(std::uint64_t address, const Range& pages, const Flags& flags_of) {
    place_levels(address, pages.pages);
    for (std::uint64_t i = 0; i < pages.pages; ++i) {
      const xen::Pfn page = pages.first + i;
      entry(1, address, address + i * xen::kPageBytes) = frames_[page] * xen::kPageBytes | flags_of(page);
    }
  }

 private:
  void place_levels(std::uint64_t address, std::uint64_t pages) {
    std::uint64_t at = 0;
    for (unsigned level = kTopLevel - 1; level >= 1; --level) {
      starts_.at(level) = at;
      const std::uint64_t tables = tables_at(level, address, pages);
      for (std::uint64_t i = 0; i < tables; ++i) {
        const std::uint64_t covered = ((address >> shift(level)) + i) << shift(level);
        entry(level + 1, address, covered) = frames_[first_ + at + i] * xen::kPageBytes | kTable;
      }
      at += tables;
    }
  }

  static unsigned shift(unsigned level) { return 12U + 9U * level; }

  // The entry for `address` in its table of `level`; the mapping begins at `begin`.
  TableEntry& entry(unsigned level, std::uint64_t begin, std::uint64_t address) {
    const std::uint64_t slot = (address >> shift(level - 1)) % kTableEntries;
    if (level == kTopLevel) {
      return top_[slot];
    }
    const std::uint64_t table = (address >> shift(level)) - (begin >> shift(level));
    return below_[(starts_.at(level) + table) * kTableEntries + slot];
  }

  std::span<const xen::Frame> frames_;
  std::span<TableEntry> top_;
  std::span<TableEntry> below_;
  xen::Pfn first_;                                 // page of below_
  std::array<std::uint64_t, kTopLevel> starts_{};  // by level: its first table in below_
};

}  // namespace

// A page that is a table may not be mapped writable: the hypervisor would refuse it.
Tables make_tables(const Layout& layout, std::span<const xen::Frame> frames) {
  Tables tables;
  tables.kernel.resize(layout.tables.pages * kTableEntries);
  tables.p2m.resize(layout.p2m_tables.pages * kTableEntries);
  const std::span<TableEntry> all(tables.kernel);
  const std::span<TableEntry> top = all.first(kTableEntries);
  Mapper kernel(frames, top, all.subspan(kTableEntries), layout.tables.first + 1);
  kernel.map(layout.base, {.first = 0, .pages = layout.mapped_pages}, [&](xen::Pfn page) {
    return page >= layout.tables.first && page < layout.tables.end() ? kReadOnlyPage : kPage;
  });
  Mapper list(frames, top, tables.p2m, layout.p2m_tables.first);
  list.map(layout.p2m_address, layout.p2m, [](xen::Pfn) { return kPage; });
  return tables;
}

}  // namespace krata::boot
