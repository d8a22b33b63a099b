// What a policy change costs: compiling, copying into the inactive buffer, switching, and waiting until no packet is
// judged by the old one any more. Needs root.
#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/scale.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"

namespace {

using namespace krait;
using datapath::PacketRunner;

constexpr std::uint32_t kSizes[] = {10, 1000, 10000, 100000};
constexpr int kRounds = 7;  // the median of so many is printed

struct Times {
  std::vector<double> compile_us;
  std::vector<double> copy_us;
  std::vector<double> switch_us;
  std::vector<double> wait_us;
};

common::Result<void> measure_once(PacketRunner& runner, const bench::Scale& scale, Times& times) {
  std::optional<common::Result<compile::Snapshot>> snapshot;
  times.compile_us.push_back(
      bench::microseconds([&] { snapshot = compile::compile_snapshot(scale.bindings, scale.policy, 1); }));
  if (!*snapshot) {
    return snapshot->error();
  }
  common::Result<void> done;
  times.copy_us.push_back(bench::microseconds([&] { done = runner.fill_inactive((*snapshot)->image); }));
  if (!done) {
    return done;
  }
  times.switch_us.push_back(bench::microseconds([&] { runner.switch_over(); }));
  times.wait_us.push_back(bench::microseconds([&] { done = runner.wait_for_readers(); }));
  return done;
}

common::Result<void> measure(std::uint32_t rules) {
  const bench::Scale scale = bench::make_scale(rules);
  const auto first = compile::compile_snapshot(scale.bindings, scale.policy, 1);
  if (!first) {
    return first.error();
  }
  auto runner = PacketRunner::load(static_cast<std::uint32_t>(first->image.size() / KRAIT_PAGE_BYTES));
  if (!runner) {
    return runner.error();
  }
  Times times;
  for (int round = 0; round < kRounds; ++round) {
    if (auto done = measure_once(*runner, scale, times); !done) {
      return done;
    }
  }
  fmt::print("{:>8}{:>9}{:>12}{:>10.1f}{:>13.2f}{:>11.3f}{:>12.3f}{:>11.1f}\n", rules, scale.bindings.size(),
             scale.policy.identities.size(), static_cast<double>(first->image.size()) / 1048576,
             bench::median(times.compile_us) / 1000, bench::median(times.copy_us) / 1000,
             bench::median(times.switch_us), bench::median(times.wait_us) / 1000);
  return {};
}

}  // namespace

int main() {
  fmt::print("medians of {}\n", kRounds);
  fmt::print("{:>8}{:>9}{:>12}{:>10}{:>13}{:>11}{:>12}{:>11}\n", "rules", "prefixes", "identities", "MiB", "compile ms",
             "copy ms", "switch us", "wait ms");
  for (const std::uint32_t rules : kSizes) {
    if (auto done = measure(rules); !done) {
      fmt::print(stderr, "bench_snapshot: {} rules: {}\n", rules, done.error().text());
      return 2;
    }
  }
  return 0;
}
