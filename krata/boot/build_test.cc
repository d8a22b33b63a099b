// Building a domain in a hypervisor that is memory and a list of what was asked.
#include "krata/boot/build.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/fd.h"
#include "krata/boot/test_kernel.h"

namespace krata::boot {

namespace {

using common::Error;
using common::ErrorCode;
using common::Result;
using xen::DomainId;
using xen::Frame;

constexpr DomainId kDomain = 7;
constexpr Frame kFirstFrame = 0x9000;  // frames go down from here: no page lies behind its neighbour
constexpr Frame kSharedInfo = 0x77;

class FakeHypervisor : public xen::Hypervisor {
 public:
  // The call of that number, from 1 on, fails.
  explicit FakeHypervisor(int failing = 0) : failing_(failing), memory_(::memfd_create("domain", MFD_CLOEXEC)) {}

  Result<DomainId> create_domain(const xen::DomainSettings& settings) override {
    KRAIT_CHECK(call("create"));
    is_there = true;
    max_memory_kib = settings.max_memory_kib;
    vcpus = settings.vcpus;
    return kDomain;
  }
  Result<void> destroy_domain(DomainId) override {
    is_there = false;
    return {};
  }
  Result<void> pause_domain(DomainId) override { return {}; }
  Result<void> unpause_domain(DomainId) override { return call("unpause"); }
  [[nodiscard]] Result<std::optional<xen::DomainInfo>> domain_info(DomainId id) const override {
    xen::DomainInfo info;
    info.id = id;
    info.shared_info_frame = kSharedInfo;
    return std::optional(info);
  }
  [[nodiscard]] Result<std::vector<xen::DomainInfo>> domains() const override { return {}; }
  Result<void> set_max_memory(DomainId, std::uint64_t) override { return call("max_memory"); }
  Result<std::vector<Frame>> populate(DomainId, std::uint64_t pages) override {
    KRAIT_CHECK(call("populate"));
    std::vector<Frame> frames(pages);
    std::ranges::generate(frames, [next = kFirstFrame]() mutable { return next--; });
    if (::ftruncate(memory_.get(), static_cast<off_t>((kFirstFrame + 1) * xen::kPageBytes)) != 0) {
      return Error(ErrorCode::system, "no memory");
    }
    return frames;
  }
  Result<xen::Mapping> map(DomainId, std::span<const Frame> frames) override {
    KRAIT_CHECK(call("map"));
    void* all = ::mmap(nullptr, frames.size() * xen::kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    xen::Mapping mapping(all, frames.size() * xen::kPageBytes);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      ::mmap(mapping.bytes().data() + i * xen::kPageBytes, xen::kPageBytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, memory_.get(), static_cast<off_t>(frames[i] * xen::kPageBytes));
    }
    return mapping;
  }
  Result<xen::Port> allocate_unbound_port(DomainId, DomainId) override {
    KRAIT_CHECK(call("port"));
    return next_port_++;
  }
  Result<void> seed_grants(DomainId, std::span<const xen::Grant> given) override {
    for (const auto& grant : given) {
      grants[grant.ref] = grant.frame;
    }
    return call("grants");
  }
  Result<void> write_hypercall_page(DomainId, Frame frame) override {
    hypercall_page = frame;
    return call("hypercall_page");
  }
  Result<void> pin_page_table(DomainId, Frame frame) override {
    pinned = frame;
    return call("pin");
  }
  Result<void> prepare_shared_info(DomainId) override { return call("shared_info"); }
  Result<void> start_vcpu(DomainId, const xen::VcpuStart& start) override {
    started = start;
    return call("vcpu");
  }
  [[nodiscard]] const std::string& name() const override { return name_; }

  // The domain's own memory.
  [[nodiscard]] std::string bytes(std::uint64_t address, std::size_t count) const {
    std::string text(count, '\0');
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t at = address + i;
      const std::uint64_t frame = kFirstFrame - at / xen::kPageBytes;
      EXPECT_EQ(::pread(memory_.get(), &text[i], 1, static_cast<off_t>(frame * xen::kPageBytes + at % xen::kPageBytes)),
                1);
    }
    return text;
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t address, std::size_t count = 8) const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes(address, count).data(), count);
    return value;
  }

  int calls = 0;
  bool is_there = false;
  std::uint64_t max_memory_kib = 0;
  std::uint32_t vcpus = 0;
  std::map<xen::GrantRef, Frame> grants;
  Frame hypercall_page = 0;
  Frame pinned = 0;
  xen::VcpuStart started;

 private:
  Result<void> call(const char* what) {
    if (++calls == failing_) {
      return Error(ErrorCode::system, std::string("refused: ") + what);
    }
    return {};
  }

  int failing_;
  common::Fd memory_;
  xen::Port next_port_ = 11;
  std::string name_ = "Xen 0.0";
};

common::Fd file_of(std::string_view text) {
  common::Fd file(::memfd_create("file", MFD_CLOEXEC));
  EXPECT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), std::ssize(text));
  return file;
}

struct Built {
  std::string kernel = TestKernel().elf();
  common::Fd file = file_of("archive");
  BuildRequest request{.kernel = kernel,
                       .initramfs = {{.bytes = "an "}, {.file = file.get(), .file_bytes = 7}},
                       .command_line = "console=hvc0",
                       .memory_kib = 48 << 10,
                       .max_memory_kib = 64 << 10,
                       .vcpus = 2,
                       .handle = {}};
};

}  // namespace

// Offsets of struct start_info as xen/xen.h has it for 64 bits.
TEST(Build, TheDomainFindsItsStart) {
  FakeHypervisor xen;
  const Built wanted;
  const auto built = build(xen, wanted.request);
  ASSERT_TRUE(built) << built.error().text();
  EXPECT_EQ(xen.vcpus, 2U);
  EXPECT_EQ(xen.max_memory_kib, 64U << 10U);

  const std::uint64_t page = xen.started.start_info - TestKernel::kBase;
  EXPECT_EQ(page, 0x120'5000U) << "right behind the kernel";
  EXPECT_EQ(xen.bytes(page, 14), "xen-3.0-x86_64");
  EXPECT_EQ(xen.number(page + 32), (48U << 10U) / 4) << "pages";
  EXPECT_EQ(xen.number(page + 40), kSharedInfo * 4096);
  EXPECT_EQ(xen.number(page + 48, 4), 8U) << "only SIF_MOD_START_PFN";
  EXPECT_EQ(xen.number(page + 56), built->store_frame);
  EXPECT_EQ(xen.number(page + 64, 4), built->store_port);
  EXPECT_EQ(xen.number(page + 72), built->console_frame);
  EXPECT_EQ(xen.number(page + 80, 4), built->console_port);
  EXPECT_EQ(xen.number(page + 104), TestKernel::kP2m) << "mfn_list";
  EXPECT_EQ(xen.number(page + 120), 10U) << "bytes of the initramfs";
  EXPECT_EQ(xen.bytes(page + 128, 13), std::string("console=hvc0\0", 13));
  EXPECT_EQ(xen.bytes(xen.number(page + 112) * 4096, 10), "an archive");

  const std::uint64_t list = xen.number(page + 1152) * 4096;
  EXPECT_EQ(xen.number(list), kFirstFrame);
  EXPECT_EQ(xen.number(list + 100 * 8), kFirstFrame - 100);
  const std::uint64_t table = xen.number(page + 88) - TestKernel::kBase;
  EXPECT_EQ(xen.pinned, kFirstFrame - table / 4096);
  EXPECT_EQ(xen.started.page_table, xen.pinned);
}

TEST(Build, TheKernelIsInItsPlaceAndTheRestIsZero) {
  FakeHypervisor xen;
  const Built wanted;
  const auto built = build(xen, wanted.request);
  ASSERT_TRUE(built) << built.error().text();
  EXPECT_EQ(xen.started.entry, TestKernel::kBase + 0x100'0100);
  EXPECT_EQ(xen.bytes(0x100'0000, 0x3000), std::string(0x3000, 'T'));
  EXPECT_EQ(xen.bytes(0x100'3000, 0x100), std::string(0x100, '\0'));
  EXPECT_EQ(xen.bytes(0x120'0000, 0x1800), std::string(0x1800, 'D'));
  EXPECT_EQ(xen.bytes(0x120'1800, 0x3800), std::string(0x3800, '\0'));
  EXPECT_EQ(xen.hypercall_page, kFirstFrame - 0x1001);
  EXPECT_EQ(xen.grants, (std::map<xen::GrantRef, Frame>{{0, built->console_frame}, {1, built->store_frame}}));
}

TEST(Build, WhicheverCallFailsNoDomainIsLeft) {
  const Built wanted;
  FakeHypervisor whole;
  ASSERT_TRUE(build(whole, wanted.request));
  ASSERT_GT(whole.calls, 12);
  for (int failing = 1; failing <= whole.calls; ++failing) {
    FakeHypervisor xen(failing);
    const auto built = build(xen, wanted.request);
    ASSERT_FALSE(built);
    EXPECT_NE(built.error().text().find("refused"), std::string::npos) << built.error().text();
    EXPECT_FALSE(xen.is_there) << built.error().text();
  }
}

TEST(Build, AFileThatHasBecomeShorterLeavesNoDomain) {
  FakeHypervisor xen;
  const Built wanted;
  ASSERT_EQ(::ftruncate(wanted.file.get(), 3), 0);
  const auto built = build(xen, wanted.request);
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().text(), "build a domain: put the initramfs into its place: its file has become shorter");
  EXPECT_FALSE(xen.is_there);
}

TEST(Build, ADomainEndsWithItsOwnerUnlessItIsReleased) {
  FakeHypervisor xen;
  const Built wanted;
  {
    ASSERT_TRUE(build(xen, wanted.request));
  }
  EXPECT_FALSE(xen.is_there);
  {
    auto built = build(xen, wanted.request);
    ASSERT_TRUE(built);
    EXPECT_EQ(built->domain.release(), kDomain);
  }
  EXPECT_TRUE(xen.is_there);
}

TEST(Build, RefusesWhatMakesNoSenseBeforeThereIsADomain) {
  const auto why = [](auto change) {
    FakeHypervisor xen;
    Built wanted;
    change(wanted.request);
    const auto built = build(xen, wanted.request);
    EXPECT_EQ(xen.calls, 0);
    return built ? std::string("built") : built.error().text();
  };
  EXPECT_EQ(why([](BuildRequest& r) { r.command_line = std::string(1024, 'x'); }),
            "a kernel command line has at most 1023 bytes, none of them nul");
  EXPECT_EQ(why([](BuildRequest& r) { r.vcpus = 33; }), "a zone has 1 to 32 CPUs, not 33");
  EXPECT_EQ(why([](BuildRequest& r) { r.vcpus = 0; }), "a zone has 1 to 32 CPUs, not 0");
  EXPECT_NE(why([](BuildRequest& r) { r.memory_kib = 1 << 10; }).find("too little"), std::string::npos);
  EXPECT_NE(why([](BuildRequest& r) { r.memory_kib = ~std::uint64_t{0}; }).find("at most"), std::string::npos);
  EXPECT_NE(why([](BuildRequest& r) { r.kernel = "text"; }).find("no program"), std::string::npos);
}

}  // namespace krata::boot
