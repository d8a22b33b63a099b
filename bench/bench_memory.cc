// Figure 6: the memory of the maps at each size: what the kernel accounts for each map (memlock in /proc/PID/fdinfo),
// and the bytes of the compiled policy. Needs root; makes everything in a mount namespace of its own.
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/net/namespace.h"
#include "bench/scale.h"
#include "bench/table.h"
#include "common/fd.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace {

using namespace krait;
using common::Error;
using common::Fd;
using common::Result;

constexpr std::uint32_t kHosts[] = {64, 512, 4096, 16384, 65536};
constexpr std::uint32_t kRules[] = {10, 100, 1000, 10000, 100000};
constexpr std::uint32_t kIdentities[] = {10, 100, 1000};
constexpr bench::Size kUsual{.rules = 1000, .hosts = 512, .identities = 100};
constexpr bench::Size kGreatest{.rules = 100000, .hosts = 65536, .identities = 1000};
constexpr std::uint32_t kFlows[] = {1024, 16384, 131072, 1048576};
constexpr std::uint32_t kPairs[] = {64, 4096, 65536};
constexpr std::uint32_t kFragments[] = {64, 8192, 131072};
// What a network namespace is made with: LOOPBACK_IFINDEX, include/net/flow.h.
constexpr const char* kInterface = "lo";
constexpr std::uint32_t kInterfaceIndex = 1;

// Bytes of each pinned map, by its pin's name.
using Maps = std::map<std::string, std::uint64_t>;

Fd open_pin(const std::string& path) {
  bpf_attr attributes{};
  attributes.pathname = reinterpret_cast<std::uint64_t>(path.c_str());
  return Fd(static_cast<int>(::syscall(SYS_bpf, BPF_OBJ_GET, &attributes, sizeof(attributes))));
}

// 0 when the descriptor is not a map's.
std::uint64_t locked_bytes(const Fd& map) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", map.get()));
  bool is_map = false;  // a program's has the line memlock too
  for (std::string line; std::getline(info, line);) {
    is_map = is_map || line.starts_with("map_type:");
    if (is_map && line.starts_with("memlock:")) {
      return std::stoull(line.substr(line.find_first_of("0123456789")));
    }
  }
  return 0;
}

Result<Maps> pinned_maps(const std::filesystem::path& folder) {
  Maps maps;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Fd pin = open_pin(entry.path());
    if (!pin.valid()) {
      return Error::from_errno(errno, "open " + entry.path().string());
    }
    if (const std::uint64_t bytes = locked_bytes(pin); bytes != 0) {
      maps[entry.path().filename()] = bytes;
    }
  }
  return maps;
}

struct Case {
  bench::Size size = kUsual;
  datapath::TableSizes tables{};
};

struct Measured {
  Case of;
  std::uint32_t prefixes = 0;
  std::uint32_t classes = 0;
  std::uint64_t image_bytes = 0;
  Maps maps;
};

// What an agent that starts with this mesh, policy and [limits] makes.
Result<Measured> measure(const Case& of, const std::string& bpffs) {
  const bench::Scale scale = bench::make_scale(of.size);
  KRAIT_TRY(const auto snapshot, compile::compile_snapshot(scale.bindings, scale.policy, 1));
  datapath::Options options;
  options.interface = kInterface;
  options.bpffs = bpffs;
  options.snapshot_pages = static_cast<std::uint32_t>(snapshot.image.size() / KRAIT_PAGE_BYTES);
  options.rules = of.size.rules;
  options.tables = of.tables;
  Measured measured{.of = of,
                    .prefixes = static_cast<std::uint32_t>(scale.bindings.size()),
                    .classes = snapshot.identity_classes,
                    .image_bytes = snapshot.image.size(),
                    .maps = {}};
  auto datapath = datapath::Datapath::open(options);
  KRAIT_CHECK(datapath ? datapath->publish(snapshot.image) : datapath.error());
  // Only then are the pins at their names.
  KRAIT_CHECK(datapath->attach(kInterfaceIndex));
  KRAIT_TRY(auto maps, pinned_maps(datapath::Pins::at(bpffs, kInterface).directory()));
  measured.maps = std::move(maps);
  KRAIT_CHECK(datapath::Datapath::remove(options, kInterfaceIndex, [](std::uint32_t) { return false; }));
  return measured;
}

std::vector<Case> policy_sizes() {
  std::vector<Case> cases;
  for (const std::uint32_t hosts : kHosts) {
    cases.push_back({.size = {.rules = kUsual.rules, .hosts = hosts, .identities = kUsual.identities}});
  }
  for (const std::uint32_t rules : kRules) {
    cases.push_back({.size = {.rules = rules, .hosts = kUsual.hosts, .identities = kUsual.identities}});
  }
  for (const std::uint32_t identities : kIdentities) {
    cases.push_back({.size = {.rules = 10000, .hosts = kUsual.hosts, .identities = identities}});
  }
  cases.push_back({.size = kGreatest});
  return cases;
}

std::vector<Case> table_sizes() {
  std::vector<Case> cases;
  for (const std::uint32_t flows : kFlows) {
    cases.push_back({.tables = {.flows = flows}});
  }
  for (const std::uint32_t pairs : kPairs) {
    cases.push_back({.tables = {.pairs = pairs}});
  }
  for (const std::uint32_t fragments : kFragments) {
    cases.push_back({.tables = {.fragments = fragments}});
  }
  return cases;
}

std::string mib(std::uint64_t bytes) { return fmt::format("{:.2f}", static_cast<double>(bytes) / (1U << 20U)); }

std::uint64_t sum(const Maps& maps) {
  std::uint64_t bytes = 0;
  for (const auto& [name, map_bytes] : maps) {
    bytes += map_bytes;
  }
  return bytes;
}

bench::Table policy_table(const std::vector<Measured>& all) {
  bench::Table table{.header = {"addresses", "rules", "classes", "compiled policy"}, .rows = {}};
  for (const auto& [name, bytes] : all.front().maps) {
    table.header.push_back("map " + name);
  }
  table.header.emplace_back("all maps");
  for (const Measured& measured : all) {
    auto& row = table.rows.emplace_back(
        std::vector<std::string>{fmt::format("{}", measured.prefixes), fmt::format("{}", measured.of.size.rules),
                                 fmt::format("{}", measured.classes), mib(measured.image_bytes)});
    for (const auto& [name, bytes] : measured.maps) {
      row.push_back(mib(bytes));
    }
    row.push_back(mib(sum(measured.maps)));
  }
  return table;
}

bench::Table table_table(const std::vector<Measured>& all) {
  bench::Table table{.header = {"flows", "pairs", "fragments", "map flows", "map pairs", "map fragments"}, .rows = {}};
  for (const Measured& measured : all) {
    const datapath::TableSizes& sizes = measured.of.tables;
    table.rows.push_back({fmt::format("{}", sizes.flows), fmt::format("{}", sizes.pairs),
                          fmt::format("{}", sizes.fragments), mib(measured.maps.at("flows")),
                          mib(measured.maps.at("pairs")), mib(measured.maps.at("fragments"))});
  }
  return table;
}

int fail(const Error& error) {
  fmt::print(stderr, "bench_memory: {}\n", error.text());
  return 2;
}

Result<std::vector<Measured>> measure_all(std::span<const Case> cases, const std::string& folder) {
  std::vector<Measured> all;
  for (const Case& of : cases) {
    KRAIT_TRY(auto measured, measure(of, folder));
    all.push_back(std::move(measured));
  }
  return all;
}

Result<void> report(const std::string& bpffs, const bench::Extent& extent) {
  const auto by_policy_size = policy_sizes();
  const auto by_table_size = table_sizes();
  const auto policies = measure_all(extent.sizes(by_policy_size), bpffs);
  KRAIT_TRY(const auto tables, policies ? measure_all(extent.sizes(by_table_size), bpffs) : policies);
  const bench::Table by_policy = policy_table(*policies);
  const bench::Table by_table = table_table(tables);
  fmt::print("## Memory of the maps at each size, in MiB\n\n");
  fmt::print("As the kernel accounts it; per-CPU maps for {} CPUs.\n\n", ::sysconf(_SC_NPROCESSORS_CONF));
  fmt::print("{}\n{}\n", bench::markdown(by_policy), bench::markdown(by_table));
  auto written = bench::write_csv(by_policy, extent.folder, "memory");
  return written ? bench::write_csv(by_table, extent.folder, "memory_tables") : written;
}

}  // namespace

int main(int argc, char** argv) {
  const auto sandbox = bench::Sandbox::enter();
  if (!sandbox) {
    return fail(sandbox.error());
  }
  const auto done = report(sandbox->folder(), bench::extent_of(argc, argv));
  return done ? 0 : fail(done.error());
}
