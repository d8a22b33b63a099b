#include "common/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <memory>
#include <new>
#include <vector>

namespace {

#ifndef KRAIT_SANITIZED  // a sanitizer has a heap of its own
std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// The first of all: where the heap has a free block as large, that is taken.
TEST(Memory, ALargeBlockGoesBackAlthoughALargerOneWasFreed) {
  constexpr std::size_t kBytes = 8 << 20;
  common::map_large_blocks();
  std::make_unique<std::byte[]>(2 * kBytes).reset();  // glibc's bound would be here now
  auto large = std::make_unique<std::byte[]>(kBytes);
  const auto above = std::make_unique<std::byte[]>(1000);  // free() gives back what is on top of the heap alone
  const std::size_t full_bytes = resident_bytes();
  large.reset();
  EXPECT_LT(resident_bytes() + kBytes / 2, full_bytes);
}

TEST(Memory, WhatIsFreeBelowWhatIsUsedGoesBack) {
  constexpr std::size_t kBlocks = 20000;
  constexpr std::size_t kBlockBytes = 1000;  // below malloc's threshold for mappings of their own
  std::vector<std::unique_ptr<std::byte[]>> blocks;
  blocks.reserve(kBlocks);
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique<std::byte[]>(kBlockBytes));  // zeroed, so resident
  }
  const std::size_t full_bytes = resident_bytes();
  const auto last = std::move(blocks.back());  // free() gives back what is above it only
  blocks.clear();
  common::release_free_memory();
  EXPECT_LT(resident_bytes() + kBlocks * kBlockBytes / 2, full_bytes);
}
#endif

TEST(Memory, WantOfItIsAnError) {
  const auto given = common::within_memory([]() -> common::Result<int> { throw std::bad_alloc(); });
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().sys_errno(), ENOMEM);
  EXPECT_EQ(given.error().text().substr(0, 13), "out of memory");
  EXPECT_EQ(common::within_memory([]() -> common::Result<int> { return 1; }).value(), 1);
}

}  // namespace
