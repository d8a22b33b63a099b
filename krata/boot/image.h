// A kernel's ELF file: what of it goes where, and what it says of itself in its notes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::boot {

struct Segment {
  std::uint64_t address = 0;  // in the domain's memory, counted from its begin
  std::string_view bytes;     // in the file
  std::uint64_t size = 0;     // at least bytes.size(): the rest is zero
};

// Addresses but for Segment::address are virtual ones of the kernel.
struct KernelImage {
  std::uint64_t entry = 0;
  std::uint64_t base = 0;   // where the begin of the domain's memory is mapped
  std::uint64_t p2m = 0;    // where the kernel wants the list of its frames
  std::uint64_t end = 0;    // of the last segment, in the domain's memory
  std::uint64_t begin = 0;  // of the first one
  std::vector<Segment> segments;
  std::optional<std::uint64_t> hypercall_page;  // in the domain's memory; newer kernels have none
};

inline constexpr std::uint64_t kMaxKernelEnd = std::uint64_t{1} << 30U;  // Linux maps no more of itself
inline constexpr std::size_t kMaxSegments = 64;

// `elf` must outlive the image. Fails with invalid_input where the file is damaged or no kernel that begins as a
// 64-bit paravirtualised guest; the message says what is wrong.
common::Result<KernelImage> parse_kernel(std::string_view elf);

}  // namespace krata::boot
