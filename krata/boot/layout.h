// What lies where in a new domain's memory. Pure.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "krata/boot/image.h"
#include "krata/xen/types.h"

namespace krata::boot {

inline constexpr std::uint64_t kTableEntries = 512;  // of a page table
inline constexpr unsigned kTopLevel = 4;             // of page tables; 1 is the lowest

// Pages of the domain's memory, one after the other.
struct Range {
  xen::Pfn first = 0;
  std::uint64_t pages = 0;
  [[nodiscard]] xen::Pfn end() const { return first + pages; }
  bool operator==(const Range&) const = default;
};

// In the order in which they lie there. Those before `p2m` are mapped at the kernel's base, the list of frames where
// the kernel wants it (INIT_P2M of xen/elfnote.h), the initramfs nowhere (MOD_START_PFN).
struct Layout {
  std::uint64_t pages = 0;  // of the domain
  Range kernel;             // from its first segment to the end of the last one
  xen::Pfn start_info = 0;
  xen::Pfn store = 0;
  xen::Pfn console = 0;
  Range tables;  // page tables: the highest level first, then those below it, level by level
  xen::Pfn stack = 0;
  std::uint64_t mapped_pages = 0;  // from the domain's first page on
  Range p2m;                       // the list
  Range p2m_tables;                // what maps it, but for the highest level: level by level
  Range initramfs;
  std::uint64_t base = 0;         // of the kernel: where page 0 is mapped
  std::uint64_t p2m_address = 0;  // where p2m is mapped

  [[nodiscard]] std::uint64_t address_of(xen::Pfn page) const { return base + page * xen::kPageBytes; }
};

// How many tables of `level` (1: the lowest) map these pages at `address`.
std::uint64_t tables_at(unsigned level, std::uint64_t address, std::uint64_t pages);

// Fails with limit where the domain's memory has no room for all of it: the message says how much is needed.
common::Result<Layout> plan_layout(const KernelImage& kernel, std::uint64_t initramfs_bytes, std::uint64_t pages);

}  // namespace krata::boot
