#include "krata/boot/layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace krata::boot {

using common::Error;
using common::ErrorCode;
using common::Result;
using xen::kPageBytes;

namespace {

constexpr std::uint64_t kPagesOfMib = (std::uint64_t{1} << 20U) / kPageBytes;
// xen/xen.h on a domain's start: the mapping ends at a multiple of 4 MiB, with at least 512 KiB to spare.
constexpr std::uint64_t kMappedPages = (std::uint64_t{4} << 20U) / kPageBytes;
constexpr std::uint64_t kSparePages = (std::uint64_t{512} << 10U) / kPageBytes;
// Of memory that Linux needs besides, to get as far as to free what it began with.
constexpr std::uint64_t kWorkingPages = (std::uint64_t{8} << 20U) / kPageBytes;

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }
// Also of the greatest number there is.
std::uint64_t pages_of(std::uint64_t bytes) { return bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0); }

std::uint64_t tables_below_top(std::uint64_t address, std::uint64_t pages) {
  std::uint64_t sum = 0;
  for (unsigned level = 1; level < kTopLevel; ++level) {
    sum += tables_at(level, address, pages);
  }
  return sum;
}

// The tables lie in what they map: with more of them more is mapped.
void place_tables(Layout& layout) {
  std::uint64_t tables = 1;
  while (true) {
    layout.tables.pages = tables;
    layout.stack = layout.tables.end();
    layout.mapped_pages = round_up(layout.stack + 1 + kSparePages, kMappedPages);
    const std::uint64_t needed = 1 + tables_below_top(layout.base, layout.mapped_pages);
    if (needed == tables) {
      return;
    }
    tables = needed;
  }
}

}  // namespace

std::uint64_t tables_at(unsigned level, std::uint64_t address, std::uint64_t pages) {
  const unsigned shift = 12U + 9U * level;  // the bits of an address that a table of this level and those below cover
  const std::uint64_t last = address + (pages - 1) * kPageBytes;
  return (last >> shift) - (address >> shift) + 1;
}

Result<Layout> plan_layout(const KernelImage& kernel, std::uint64_t initramfs_bytes, std::uint64_t pages) {
  Layout layout;
  layout.pages = pages;
  layout.base = kernel.base;
  layout.p2m_address = kernel.p2m;
  layout.kernel.first = kernel.begin / kPageBytes;
  layout.kernel.pages = pages_of(kernel.end) - layout.kernel.first;
  layout.start_info = layout.kernel.end();
  layout.store = layout.start_info + 1;
  layout.console = layout.store + 1;
  layout.tables.first = layout.console + 1;
  place_tables(layout);
  layout.p2m = {.first = layout.mapped_pages, .pages = pages_of(pages * sizeof(xen::Frame))};
  layout.p2m_tables = {.first = layout.p2m.end(), .pages = tables_below_top(layout.p2m_address, layout.p2m.pages)};
  layout.initramfs = {.first = layout.p2m_tables.end(), .pages = pages_of(initramfs_bytes)};
  const std::uint64_t needed = layout.initramfs.end() + kWorkingPages;
  if (needed > pages) {
    return Error(ErrorCode::limit, fmt::format("{} MiB of memory are too little: this kernel and initramfs need {} MiB "
                                               "to begin with, and more to work",
                                               pages / kPagesOfMib, needed / kPagesOfMib + 1));
  }
  return layout;
}

static_assert(kTableEntries * sizeof(std::uint64_t) == kPageBytes);

}  // namespace krata::boot
