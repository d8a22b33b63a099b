// The page tables that a domain begins with. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "krata/boot/layout.h"

namespace krata::boot {

using TableEntry = std::uint64_t;

// The contents of Layout::tables and of Layout::p2m_tables, page after page. `frames` are those of the domain's pages.
struct Tables {
  std::vector<TableEntry> kernel;
  std::vector<TableEntry> p2m;
};
Tables make_tables(const Layout& layout, std::span<const xen::Frame> frames);

}  // namespace krata::boot
