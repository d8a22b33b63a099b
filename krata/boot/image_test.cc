#include "krata/boot/image.h"

#include <gtest/gtest.h>

#include <functional>

#include "krata/boot/test_kernel.h"

namespace krata::boot {

namespace {

std::string why_not(const TestKernel& kernel) {
  const std::string elf = kernel.elf();
  const auto image = parse_kernel(elf);
  return image ? "it is taken" : image.error().text();
}

}  // namespace

TEST(KernelImage, SaysWhatGoesWhere) {
  const std::string elf = TestKernel().elf();
  const auto image = parse_kernel(elf);
  ASSERT_TRUE(image) << image.error().text();
  EXPECT_EQ(image->base, TestKernel::kBase);
  EXPECT_EQ(image->entry, TestKernel::kBase + 0x100'0100);
  EXPECT_EQ(image->p2m, TestKernel::kP2m);
  EXPECT_EQ(image->begin, 0x100'0000U);
  EXPECT_EQ(image->end, 0x120'5000U);
  EXPECT_EQ(image->hypercall_page, 0x100'1000U);
  ASSERT_EQ(image->segments.size(), 2U);
  EXPECT_EQ(image->segments[1].bytes, std::string(0x1800, 'D'));
  EXPECT_EQ(image->segments[1].size, 0x5000U);
}

TEST(KernelImage, NeedsNoHypercallPage) {
  TestKernel kernel;
  kernel.set(2, std::nullopt);
  const std::string elf = kernel.elf();
  const auto image = parse_kernel(elf);
  ASSERT_TRUE(image);
  EXPECT_FALSE(image->hypercall_page);
}

TEST(KernelImage, TakesSegmentsInAnyOrder) {
  TestKernel kernel;
  std::swap(kernel.loads[0], kernel.loads[1]);
  const std::string elf = kernel.elf();
  const auto image = parse_kernel(elf);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->begin, 0x100'0000U);
}

TEST(KernelImage, RefusesWhatItCannotBuild) {
  struct Case {
    const char* why;
    std::function<void(TestKernel&)> change;
  };
  const Case cases[] = {
      {"no notes for Xen", [](TestKernel& k) { k.notes.clear(); }},
      {"no notes for Xen", [](TestKernel& k) { k.set(1, std::nullopt); }},
      {"older than Linux 4.3", [](TestKernel& k) { k.set(15, std::nullopt); }},
      {"older than Linux 4.3", [](TestKernel& k) { k.set(16, 0); }},
      {"PADDR_OFFSET", [](TestKernel& k) { k.set(4, 0x1000); }},
      {"VIRT_BASE", [](TestKernel& k) { k.set(3, 0xffff'8000'0000'0000); }},  // where Xen itself is
      {"VIRT_BASE", [](TestKernel& k) { k.set(3, TestKernel::kBase + 0x1000); }},
      {"VIRT_BASE", [](TestKernel& k) { k.set(3, 0xffff'ffff'c000'0000); }},  // wraps
      {"VIRT_BASE", [](TestKernel& k) { k.set(3, 0x0100'0000'0000'0000); }},  // no address of this machine
      {"INIT_P2M", [](TestKernel& k) { k.set(15, 0xffff'ff80'0000'0000); }},  // the kernel's own slot
      {"INIT_P2M", [](TestKernel& k) { k.set(15, 0xffff'8800'0000'1000); }},
      {"outside of itself", [](TestKernel& k) { k.set(1, TestKernel::kBase); }},
      {"HYPERCALL_PAGE", [](TestKernel& k) { k.set(2, TestKernel::kBase + 0x100'0800); }},
      {"HYPERCALL_PAGE", [](TestKernel& k) { k.set(2, 0); }},
      {"beyond the first GiB", [](TestKernel& k) { k.loads[0].address = 0x4000'0000; }},
      {"beyond the first GiB", [](TestKernel& k) { k.loads[0].address = ~0ULL - 0x1000; }},
      {"that the file has not", [](TestKernel& k) { k.loads[0].size = 1; }},
      {"two segments for", [](TestKernel& k) { k.loads[1].address = 0x100'2000; }},
      {"nothing in it", [](TestKernel& k) { k.loads.clear(); }},
      {"program headers", [](TestKernel& k) { k.loads.resize(80, {.address = 0, .bytes = "", .size = 0}); }},
  };
  for (const Case& one : cases) {
    TestKernel kernel;
    one.change(kernel);
    EXPECT_NE(why_not(kernel).find(one.why), std::string::npos) << one.why << ": " << why_not(kernel);
  }
}

TEST(KernelImage, ACutFileIsRefusedWhereverItEnds) {
  const std::string whole = TestKernel().elf();
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += bytes < 600 ? 1 : 997) {
    EXPECT_FALSE(parse_kernel(std::string_view(whole).substr(0, bytes))) << bytes;
  }
}

}  // namespace krata::boot
