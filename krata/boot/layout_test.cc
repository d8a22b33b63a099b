// Layout and page tables. The tables are read as a processor reads them: what they map must be the layout, and nothing
// else.
#include "krata/boot/layout.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "krata/boot/tables.h"

namespace krata::boot {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

KernelImage kernel_of(std::uint64_t begin, std::uint64_t end) {
  KernelImage kernel;
  kernel.base = 0xffff'ffff'8000'0000;
  kernel.entry = kernel.base + begin;
  kernel.p2m = 0x80'0000'0000;
  kernel.begin = begin;
  kernel.end = end;
  return kernel;
}

std::string text_of(const Range& range) { return fmt::format("{:#x}+{:#x}", range.first, range.pages); }
std::string text_of(const Layout& layout) {
  return fmt::format(
      "kernel {} start_info {:#x} store {:#x} console {:#x} tables {} stack {:#x} mapped {:#x} p2m {} p2m tables {} "
      "initramfs {}",
      text_of(layout.kernel), layout.start_info, layout.store, layout.console, text_of(layout.tables), layout.stack,
      layout.mapped_pages, text_of(layout.p2m), text_of(layout.p2m_tables), text_of(layout.initramfs));
}

// Each page's frame is any other number, as a machine hands them out.
std::vector<xen::Frame> shuffled(std::uint64_t pages) {
  std::vector<xen::Frame> frames(pages);
  std::iota(frames.begin(), frames.end(), 0x40'000);
  std::shuffle(frames.begin(), frames.end(), std::mt19937(7));
  return frames;
}

// Walks tables from the highest one, and notes what is mapped where.
class Walker {
 public:
  Walker(const Layout& layout, const std::vector<xen::Frame>& frames, const Tables& tables) {
    for (std::uint64_t i = 0; i < layout.tables.pages; ++i) {
      pages_[frames[layout.tables.first + i]] = &tables.kernel[i * 512];
    }
    for (std::uint64_t i = 0; i < layout.p2m_tables.pages; ++i) {
      pages_[frames[layout.p2m_tables.first + i]] = &tables.p2m[i * 512];
    }
    walk(4, frames[layout.tables.first], 0);
  }

  struct Mapped {
    xen::Frame frame = 0;
    std::uint64_t flags = 0;
  };
  std::map<std::uint64_t, Mapped> mapped;  // by address
  std::map<xen::Frame, unsigned> levels;   // of tables that were met
  bool is_sound = true;

 private:
  void walk(unsigned level, xen::Frame table, std::uint64_t address) {
    const auto found = pages_.find(table);
    if (found == pages_.end() || !levels.emplace(table, level).second) {
      is_sound = false;  // no table, or one that is met twice
      return;
    }
    for (std::uint64_t slot = 0; slot < 512; ++slot) {
      const std::uint64_t entry = found->second[slot];
      if (entry == 0) {
        continue;
      }
      std::uint64_t here = address | slot << (12 + 9 * (level - 1));
      if (level == 4 && slot >= 256) {
        here |= 0xffff'0000'0000'0000;
      }
      const xen::Frame frame = (entry & 0x000f'ffff'ffff'f000) >> 12;
      if (level == 1) {
        mapped[here] = {.frame = frame, .flags = entry & 0xfff};
      } else {
        is_sound = is_sound && (entry & 0xfff) == 0x67;
        walk(level - 1, frame, here);
      }
    }
  }

  std::map<xen::Frame, const TableEntry*> pages_;
};

void check_tables(const Layout& layout) {
  const auto frames = shuffled(layout.pages);
  const Tables tables = make_tables(layout, frames);
  const Walker seen(layout, frames, tables);
  EXPECT_TRUE(seen.is_sound);
  EXPECT_EQ(seen.levels.size(), layout.tables.pages + layout.p2m_tables.pages) << "a table is not used";
  EXPECT_EQ(seen.mapped.size(), layout.mapped_pages + layout.p2m.pages);
  for (const auto& [address, mapped] : seen.mapped) {
    const bool is_list = address < 0x8000'0000'0000;
    const xen::Pfn page =
        is_list ? layout.p2m.first + (address - layout.p2m_address) / 4096 : (address - layout.base) / 4096;
    ASSERT_EQ(mapped.frame, frames.at(page)) << fmt::format("{:#x}", address);
    ASSERT_EQ(mapped.flags, seen.levels.contains(mapped.frame) ? 0x61U : 0x63U) << fmt::format("{:#x}", address);
  }
}

}  // namespace

// Debian's cloud kernel 6.1 in 88 MiB. The numbers were worked out by hand from the description of a domain's start in
// xen/xen.h: pages in the order that it lists, a mapping up to the next 4 MiB with 512 KiB to spare.
TEST(Layout, OfAKernelOfToday) {
  const auto layout = plan_layout(kernel_of(0x100'0000, 0x3e0'0000), 2 * kMiB, 88 * kMiB / 4096);
  ASSERT_TRUE(layout) << layout.error().text();
  EXPECT_EQ(text_of(*layout),
            "kernel 0x1000+0x2e00 start_info 0x3e00 store 0x3e01 console 0x3e02 tables 0x3e03+0x23 stack 0x3e26 "
            "mapped 0x4000 p2m 0x4000+0x2c p2m tables 0x402c+0x3 initramfs 0x402f+0x200");
  EXPECT_EQ(layout->address_of(layout->start_info), 0xffff'ffff'83e0'0000);
}

// What Xen's own domain builder laid out, of the file's comment.
struct Recorded {
  std::uint64_t mib = 0;
  std::uint64_t initramfs_bytes = 0;
  std::uint64_t base = 0;
  std::uint64_t p2m = 0;
  std::uint64_t mapped_end = 0;
  std::map<std::string, Range> parts;
};

std::vector<Recorded> recorded_layouts() {
  std::vector<Recorded> all;
  std::ifstream file("tests/golden/krata_boot/xl_layout.txt");
  for (std::string line; std::getline(file, line);) {
    Recorded one;
    Range range;
    char name[16] = {};
    if (std::sscanf(line.c_str(), "= %lu MiB, initramfs of %lu", &one.mib, &one.initramfs_bytes) == 2) {
      all.push_back(one);
    } else if (std::sscanf(line.c_str(), "xc_dom_alloc_segment: %15[a-z0-9 ] : %*x -> %*x (pfn %lx + %lx pages)", name,
                           &range.first, &range.pages) == 3) {
      all.back().parts[name] = range;
    } else if (std::sscanf(line.c_str(), "xc_dom_alloc_page : %15[a-z ] : %*x (pfn %lx)", name, &range.first) == 2) {
      range.pages = 1;
      all.back().parts[name] = range;
    } else if (!all.empty()) {
      std::sscanf(line.c_str(), "virt_base = %lx", &all.back().base);
      std::sscanf(line.c_str(), "p2m_base = %lx", &all.back().p2m);
      std::sscanf(line.c_str(), "xc_dom_build_image : virt_pgtab_end : %lx", &all.back().mapped_end);
    }
  }
  return all;
}

// The list of frames and the initramfs, neither of which is mapped with the rest, lie the other way round with Xen's.
TEST(Layout, IsThatOfXensDomainBuilder) {
  const auto all = recorded_layouts();
  ASSERT_EQ(all.size(), 3U);
  for (const Recorded& xl : all) {
    SCOPED_TRACE(xl.mib);
    auto parts = xl.parts;
    const Range loaded = parts.at("kernel ");
    KernelImage kernel = kernel_of(loaded.first * 4096, loaded.end() * 4096);
    kernel.base = xl.base;
    kernel.p2m = xl.p2m;
    const auto ours = plan_layout(kernel, xl.initramfs_bytes, xl.mib * kMiB / 4096);
    ASSERT_TRUE(ours) << ours.error().text();
    EXPECT_EQ(ours->kernel, loaded);
    EXPECT_EQ(ours->start_info, parts.at("start info ").first);
    EXPECT_EQ(ours->store, parts.at("xenstore ").first);
    EXPECT_EQ(ours->console, parts.at("console ").first);
    EXPECT_EQ(ours->tables, parts.at("page tables ")) << text_of(*ours);
    EXPECT_EQ(ours->stack, parts.at("boot stack ").first);
    EXPECT_EQ(ours->base + ours->mapped_pages * 4096, xl.mapped_end);
    EXPECT_EQ(ours->p2m.pages + ours->p2m_tables.pages, parts.at("phys2mach ").pages);
    EXPECT_EQ(ours->initramfs.pages, parts.at("module0 ").pages);
  }
}

// More tables need more room, and that more tables: here the stack would just fit behind 0x23 of them.
TEST(Layout, CountsTheTablesThatTablesNeed) {
  for (std::uint64_t end = 0x3e0'0000 - 0x100'000; end <= 0x3e0'0000 + 0x100'000; end += 0x1000) {
    const auto layout = plan_layout(kernel_of(0x100'0000, end), 0, 128 * kMiB / 4096);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->mapped_pages % 1024, 0U);
    EXPECT_GE(layout->mapped_pages, layout->stack + 1 + 128);
    EXPECT_LT(layout->mapped_pages, layout->stack + 1 + 128 + 1024);
    EXPECT_EQ(layout->tables.pages, 3 + (layout->mapped_pages + 511) / 512);
  }
}

TEST(Layout, TooLittleMemoryIsSaidWithHowMuchIsNeeded) {
  const auto kernel = kernel_of(0x100'0000, 0x3e0'0000);
  const auto refused = plan_layout(kernel, 20 * kMiB, 64 * kMiB / 4096);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), common::ErrorCode::limit);
  EXPECT_EQ(refused.error().text(),
            "64 MiB of memory are too little: this kernel and initramfs need 93 MiB to begin with, and more to work");
  EXPECT_FALSE(plan_layout(kernel, 0, 0));
  EXPECT_FALSE(plan_layout(kernel, ~std::uint64_t{0}, 64 * kMiB / 4096));
}

TEST(Tables, MapWhatTheLayoutSaysAndNothingElse) {
  for (const std::uint64_t mib : {88U, 512U, 2048U, 5000U}) {
    const auto layout = plan_layout(kernel_of(0x100'0000, 0x3e0'0123), 3 * kMiB + 5, mib * kMiB / 4096);
    ASSERT_TRUE(layout);
    SCOPED_TRACE(mib);
    check_tables(*layout);
  }
}

}  // namespace krata::boot
