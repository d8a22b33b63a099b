// Figure 6: the memory of the maps at each size: what the kernel accounts for each map (memlock in /proc/PID/fdinfo),
// and the bytes of the compiled policy. Needs root; makes everything in a mount namespace of its own.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/scale.h"
#include "bench/table.h"
#include "common/fd.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/datapath.h"

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
constexpr const char* kInterface = "bench";
constexpr const char* kSnapshot = "snapshot";

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
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("memlock:")) {
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

struct Measured {
  std::uint32_t prefixes = 0;
  std::uint32_t rules = 0;
  std::uint32_t classes = 0;
  std::uint64_t image_bytes = 0;
  Maps maps;
};

// What an agent that starts with this mesh and policy makes.
Result<Measured> measure(const bench::Size& size, const std::string& bpffs) {
  const bench::Scale scale = bench::make_scale(size);
  const auto snapshot = compile::compile_snapshot(scale.bindings, scale.policy, 1);
  if (!snapshot) {
    return snapshot.error();
  }
  datapath::Options options;
  options.interface = kInterface;
  options.bpffs = bpffs;
  options.snapshot_pages = static_cast<std::uint32_t>(snapshot->image.size() / KRAIT_PAGE_BYTES);
  Measured measured{.prefixes = static_cast<std::uint32_t>(scale.bindings.size()),
                    .rules = size.rules,
                    .classes = snapshot->identity_classes,
                    .image_bytes = snapshot->image.size(),
                    .maps = {}};
  auto datapath = datapath::Datapath::open(options);
  auto done = datapath ? datapath->publish(snapshot->image) : datapath.error();
  if (!done) {
    return done.error();
  }
  auto maps = pinned_maps(std::filesystem::path(bpffs) / "krait" / kInterface);
  if (!maps) {
    return maps.error();
  }
  measured.maps = std::move(*maps);
  if (auto removed = datapath::Datapath::remove(options, 0); !removed) {
    return removed.error();
  }
  return measured;
}

std::vector<bench::Size> all_sizes() {
  std::vector<bench::Size> sizes;
  for (const std::uint32_t hosts : kHosts) {
    sizes.push_back({.rules = kUsual.rules, .hosts = hosts, .identities = kUsual.identities});
  }
  for (const std::uint32_t rules : kRules) {
    sizes.push_back({.rules = rules, .hosts = kUsual.hosts, .identities = kUsual.identities});
  }
  for (const std::uint32_t identities : kIdentities) {
    sizes.push_back({.rules = 10000, .hosts = kUsual.hosts, .identities = identities});
  }
  sizes.push_back(kGreatest);
  return sizes;
}

std::string mib(std::uint64_t bytes) { return fmt::format("{:.2f}", static_cast<double>(bytes) / (1U << 20U)); }

std::uint64_t sum(const Maps& maps) {
  std::uint64_t bytes = 0;
  for (const auto& [name, map_bytes] : maps) {
    bytes += map_bytes;
  }
  return bytes;
}

bench::Table table_of(const std::vector<Measured>& all) {
  bench::Table table{.header = {"addresses", "rules", "classes", "compiled policy"}, .rows = {}};
  for (const auto& [name, bytes] : all.front().maps) {
    table.header.push_back("map " + name);
  }
  table.header.emplace_back("all maps");
  for (const Measured& measured : all) {
    auto& row = table.rows.emplace_back(
        std::vector<std::string>{fmt::format("{}", measured.prefixes), fmt::format("{}", measured.rules),
                                 fmt::format("{}", measured.classes), mib(measured.image_bytes)});
    for (const auto& [name, bytes] : measured.maps) {
      row.push_back(mib(bytes));
    }
    row.push_back(mib(sum(measured.maps)));
  }
  return table;
}

int fail(const Error& error) {
  fmt::print(stderr, "bench_memory: {}\n", error.text());
  return 2;
}

// A BPF file system that nobody else sees, until the end of the process.
Result<std::string> own_bpffs() {
  std::string folder = std::filesystem::temp_directory_path() / "krait-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return Error::from_errno(errno, "make a folder");
  }
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("bpf", folder.c_str(), "bpf", 0, "mode=700") != 0) {
    const Error error = Error::from_errno(errno, "mount a BPF file system of our own");
    ::rmdir(folder.c_str());
    return error;
  }
  return folder;
}

Result<std::vector<Measured>> measure_all() {
  const auto folder = own_bpffs();
  if (!folder) {
    return folder.error();
  }
  std::vector<Measured> all;
  Result<void> done;
  for (const bench::Size& size : all_sizes()) {
    auto measured = measure(size, *folder);
    if (!measured) {
      done = measured.error();
      break;
    }
    all.push_back(std::move(*measured));
  }
  ::umount2(folder->c_str(), MNT_DETACH);
  ::rmdir(folder->c_str());
  if (!done) {
    return done.error();
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const auto all = measure_all();
  if (!all) {
    return fail(all.error());
  }
  const bench::Table table = table_of(*all);
  fmt::print("## Memory of the maps at each size, in MiB\n\n");
  fmt::print(
      "As the kernel accounts it; per-CPU maps for {} CPUs. Flows, fragments and pairs have their default sizes.\n\n",
      ::sysconf(_SC_NPROCESSORS_CONF));
  fmt::print("{}\n", bench::markdown(table));
  if (auto written = bench::write_csv(table, argc > 1 ? argv[1] : "", "memory"); !written) {
    return fail(written.error());
  }
  return 0;
}
