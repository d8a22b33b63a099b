// What kratad does of a launch before the zone's kernel runs: reads the kernel and what a zone unpacks first, unpacks
// the kernel, and puts everything into the domain's memory. In a hypervisor that is memory of this machine: what the
// real one adds are its calls, a few for each zone and one for each 2 MiB. Takes the lab's kernels, which are Debian's
// cloud kernels.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/table.h"
#include "common/fd.h"
#include "common/file.h"
#include "krata/daemon/domain_builder.h"
#include "krata/kernel/files.h"
#include "krata/kernel/store.h"

namespace {

namespace fs = std::filesystem;
namespace xen = krata::xen;

using namespace krait::bench;
using common::Error;
using common::Fd;
using common::Result;

constexpr int kRounds = 21;
constexpr double kAimMs = 150;

// A domain's pages lie behind each other in one file of memory, which is there before anything is measured, as a
// machine's memory is.
class Memory final : public xen::Hypervisor {
 public:
  explicit Memory(std::uint64_t bytes) : file_(::memfd_create("domain", MFD_CLOEXEC)) {
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) == 0) {
      xen::Mapping(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), 0), bytes);
    }
  }

  Result<xen::DomainId> create_domain(const xen::DomainSettings&) override { return xen::DomainId{1}; }
  Result<void> destroy_domain(xen::DomainId) override { return {}; }
  Result<void> pause_domain(xen::DomainId) override { return {}; }
  Result<void> unpause_domain(xen::DomainId) override { return {}; }
  [[nodiscard]] Result<std::optional<xen::DomainInfo>> domain_info(xen::DomainId) const override {
    return std::optional(xen::DomainInfo());
  }
  [[nodiscard]] Result<std::vector<xen::DomainInfo>> domains() const override { return {}; }
  Result<void> set_max_memory(xen::DomainId, std::uint64_t) override { return {}; }
  Result<std::vector<xen::Frame>> populate(xen::DomainId, std::uint64_t pages) override {
    std::vector<xen::Frame> frames(pages);
    std::iota(frames.begin(), frames.end(), xen::Frame{0});
    return frames;
  }
  Result<xen::Mapping> map(xen::DomainId, std::span<const xen::Frame> frames) override {
    const std::size_t bytes = frames.size() * xen::kPageBytes;
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(),
                           static_cast<off_t>(frames.front() * xen::kPageBytes));
    return address == MAP_FAILED ? Result<xen::Mapping>(Error::from_errno(errno, "map")) : xen::Mapping(address, bytes);
  }
  Result<xen::Port> allocate_unbound_port(xen::DomainId, xen::DomainId) override { return xen::Port{1}; }
  Result<void> seed_grants(xen::DomainId, std::span<const xen::Grant>) override { return {}; }
  Result<void> write_hypercall_page(xen::DomainId, xen::Frame) override { return {}; }
  Result<void> pin_page_table(xen::DomainId, xen::Frame) override { return {}; }
  Result<void> prepare_shared_info(xen::DomainId) override { return {}; }
  Result<void> start_vcpu(xen::DomainId, const xen::VcpuStart&) override { return {}; }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  Fd file_;
  std::string name_ = "memory";
};

double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// A folder of state with this kernel alone.
Result<krata::daemon::Paths> state_with(const fs::path& kernel, const fs::path& folder) {
  const krata::daemon::Paths paths{.state_folder = folder, .programs_folder = KRATA_PROGRAMS, .disk_user = ""};
  KRAIT_TRY(auto release, common::read_file(kernel / "release", 256));
  release.resize(release.find_last_not_of('\n') + 1);
  krata::kernel::KernelStore store(paths.kernels());
  KRAIT_CHECK(store.add(*krata::kernel::host_files(), kernel / "vmlinuz", kernel / "lib/modules" / release));
  return paths;
}

Result<double> median_ms(const krata::daemon::Paths& paths, int rounds) {
  krata::model::ZoneRecord record;
  Memory memory(std::uint64_t{record.spec.resources.memory_mib} << 20U);
  std::vector<double> values;
  for (int round = 0; round < rounds; ++round) {
    const double begin = cpu_ms();
    KRAIT_TRY(auto built, krata::daemon::build_domain(memory, paths, record));
    values.push_back(cpu_ms() - begin);
  }
  return median(std::move(values));
}

Result<void> measure(const Extent& extent) {
  std::string scratch = (fs::temp_directory_path() / "krata-bench-XXXXXX").string();
  if (::mkdtemp(scratch.data()) == nullptr) {
    return Error::from_errno(errno, "make a folder");
  }
  Table table{.header = {"kernel", "CPU ms"}};
  double worst = 0;
  for (const char* series : {"6.1", "6.12"}) {
    const fs::path kernel = fs::path(KRATA_LAB_KERNELS) / series;
    if (!fs::exists(kernel / "release")) {
      continue;
    }
    KRAIT_TRY(const auto paths, state_with(kernel, fs::path(scratch) / series));
    KRAIT_TRY(const double ms, median_ms(paths, extent.rounds(kRounds)));
    table.rows.push_back({fmt::format("Debian's cloud kernel {}", series), fmt::format("{:.0f}", ms)});
    worst = std::max(worst, ms);
  }
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  fmt::print(
      "## Before a zone's kernel runs\n\nThe CPU time of kratad, without the hypervisor's: medians of {}.\n\n{}\n",
      kRounds, markdown(table));
  fmt::print(
      "{}\n",
      aim_line(fmt::format("the part of a launch before the zone's kernel runs takes at most {:.0f} ms of CPU", kAimMs),
               worst <= kAimMs, fmt::format("{:.0f} ms", worst)));
  return write_csv(table, extent.folder, "boot");
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto done = measure(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_boot: {}\n", done.error().text());
    return 2;
  }
  return 0;
}
