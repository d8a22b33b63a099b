// Fuzz target: any bytes as a kernel's file. Whatever is taken must be a domain that can be planned, with everything of
// it within the domain's memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "krata/boot/image.h"
#include "krata/boot/layout.h"
#include "krata/boot/payload.h"
#include "krata/boot/tables.h"
#include "krata/xen/types.h"
#include "tests/require.h"

namespace {

constexpr std::uint64_t kPages = (std::uint64_t{96} << 20U) / krata::xen::kPageBytes;
constexpr std::size_t kMaxUnpacked = 1 << 20;

void plan(const krata::boot::KernelImage& kernel) {
  const auto layout = krata::boot::plan_layout(kernel, 1000, kPages);
  if (!layout) {
    return;
  }
  krait::require(layout->initramfs.end() <= kPages, "everything is in the domain's memory");
  for (const auto& segment : kernel.segments) {
    const std::uint64_t end = segment.address + segment.size;
    krait::require(segment.bytes.size() <= segment.size, "a segment has room for its bytes");
    krait::require(segment.address >= layout->kernel.first * krata::xen::kPageBytes &&
                       end <= layout->kernel.end() * krata::xen::kPageBytes,
                   "a segment lies in the kernel's pages");
  }
  krait::require(!kernel.hypercall_page || *kernel.hypercall_page < layout->kernel.end() * krata::xen::kPageBytes,
                 "the hypercall page is the kernel's");
  std::vector<krata::xen::Frame> frames(kPages, 1);
  krata::boot::make_tables(*layout, frames);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto kernel = krata::boot::parse_kernel(bytes)) {
    plan(*kernel);
  }
  const auto unpacked = krata::boot::decompress(bytes, kMaxUnpacked);
  krait::require(!unpacked || unpacked->size() <= kMaxUnpacked, "no more is unpacked than is allowed");
  std::ignore = krata::boot::kernel_elf(bytes, kMaxUnpacked);
  return 0;
}
