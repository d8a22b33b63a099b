// What a policy change costs krait, step by step: compiling, copying into the inactive buffer, switching, being seen by
// the other CPU, and waiting until no packet is judged by the old one any more. Needs root; works in namespaces of its
// own. Writes a table to the folder that its argument names.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/net/in_turn.h"
#include "bench/net/krait_filter.h"
#include "bench/net/sockets.h"
#include "bench/scale.h"
#include "bench/table.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"

namespace {

using namespace krait;
using namespace krait::bench;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSizes[] = {10, 1000, 10000, 100000};
constexpr int kRounds = 7;  // the median of so many is printed
constexpr double kAimSwitchUs = 1;
constexpr double kAimRevisionMs = 150;  // 100,000 rules compiled and switched
constexpr std::uint32_t kOneRuleOf = 10000;
constexpr double kAimChangeUs = 100;
constexpr double kAimGrantUs = 10;

struct Revision {
  std::uint32_t rules = 0;
  Scale scale{};
  std::optional<KraitFilter> filter{};
  std::size_t image_bytes = 0;
  std::vector<double> compile_us{};
  std::vector<double> copy_us{};
  std::vector<double> switch_us{};
  std::vector<double> seen_us{};
  std::vector<double> wait_us{};
};

double us_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::micro>(end - start).count();
}

// Switches while a thread on CPU 0 spins on the word that packets read. Its spinning slows the store down: that is
// timed without it.
void time_visibility(Revision& revision) {
  datapath::SnapshotMap& snapshot = revision.filter->snapshot();
  const std::atomic_ref<std::uint32_t> active(snapshot.control().active);
  const std::uint32_t old = active.load();
  std::atomic<bool> spinning = false;
  Clock::time_point seen;
  std::thread reader([&] {
    run_on_cpu(0);
    spinning = true;
    while (active.load(std::memory_order_acquire) == old) {
    }
    seen = Clock::now();
  });
  while (!spinning) {
  }
  const auto start = Clock::now();
  snapshot.switch_over();
  reader.join();
  revision.seen_us.push_back(us_between(start, seen));
}

common::Result<void> measure_once(Revision& revision) {
  std::optional<common::Result<compile::Snapshot>> snapshot;
  revision.compile_us.push_back(
      microseconds([&] { snapshot = compile::compile_snapshot(revision.scale.bindings, revision.scale.policy, 1); }));
  if (!*snapshot) {
    return snapshot->error();
  }
  datapath::SnapshotMap& map = revision.filter->snapshot();
  common::Result<void> done;
  revision.copy_us.push_back(microseconds([&] { done = map.fill_inactive((*snapshot)->image); }));
  if (!done) {
    return done;
  }
  microseconds([] {});  // the copy has emptied the caches of the clock's code, which is not to be measured
  revision.switch_us.push_back(microseconds([&] { map.switch_over(); }));
  revision.wait_us.push_back(microseconds([&] { done = map.wait_for_readers(); }));
  time_visibility(revision);  // back to the other buffer
  return done ? map.wait_for_readers() : std::move(done);
}

common::Result<void> make_revision(Revision& revision, const Arena& arena, const std::string& bpffs) {
  revision.scale = make_scale(revision.rules);
  KRAIT_TRY(auto filter, KraitFilter::attach(arena, revision.scale, bpffs));
  revision.filter = std::move(filter);
  revision.image_bytes = std::size_t{(*revision.filter->snapshot().header())->pages} * KRAIT_PAGE_BYTES;
  return {};
}

Table table_of(const std::vector<Revision>& revisions) {
  Table table{.header = {"rules", "prefixes", "identities", "MiB", "compile (ms)", "copy (ms)", "switch (us)",
                         "seen by the other CPU (us)", "wait for readers (ms)"}};
  for (const Revision& revision : revisions) {
    table.rows.push_back(
        {fmt::format("{}", revision.rules), fmt::format("{}", revision.scale.bindings.size()),
         fmt::format("{}", revision.scale.policy.identities.size()),
         fmt::format("{:.1f}", static_cast<double>(revision.image_bytes) / 1048576),
         fmt::format("{:.2f}", median(revision.compile_us) / 1000),
         fmt::format("{:.3f}", median(revision.copy_us) / 1000), fmt::format("{:.3f}", median(revision.switch_us)),
         fmt::format("{:.3f}", median(revision.seen_us)), fmt::format("{:.1f}", median(revision.wait_us) / 1000)});
  }
  return table;
}

// A changed rule means that all of them are compiled again.
std::string one_rule_aims(const std::vector<Revision>& revisions) {
  const auto at = std::ranges::find(revisions, kOneRuleOf, &Revision::rules);
  if (at == revisions.end()) {
    return "";
  }
  const double us = median(at->compile_us) + median(at->copy_us) + median(at->seen_us);
  const std::string measured = fmt::format("{:.0f} us: all rules are compiled", us);
  return aim_line(fmt::format("one rule of {} changed, compiling included, under {:.0f} us", kOneRuleOf, kAimChangeUs),
                  us < kAimChangeUs, measured) +
         aim_line(fmt::format("one rule's grant or revoke under {:.0f} us", kAimGrantUs), us < kAimGrantUs, measured);
}

void print_report(const std::vector<Revision>& revisions, const Table& table, int rounds) {
  fmt::print("## krait's steps\n\nWhole revisions; medians of {} rounds.\n\n{}\n", rounds, markdown(table));
  double slowest_us = 0;
  for (const Revision& revision : revisions) {
    slowest_us = std::max(slowest_us, median(revision.switch_us));
  }
  const Revision& largest = revisions.back();
  const double revision_ms = (median(largest.compile_us) + median(largest.copy_us) + median(largest.seen_us)) / 1000;
  fmt::print("{}", aim_line("the switch itself under 1 us", slowest_us < kAimSwitchUs,
                            fmt::format("{:.3f} us at the slowest size", slowest_us)));
  fmt::print("{}", one_rule_aims(revisions));
  fmt::print("{}\n", aim_line(fmt::format("100000 rules compiled and switched in under {:.0f} ms", kAimRevisionMs),
                              revision_ms < kAimRevisionMs, fmt::format("{:.0f} ms", revision_ms)));
}

common::Result<void> run_all(const Extent& extent) {
  KRAIT_TRY(const auto revisions,
            measure_in_turn<Revision>(extent.sizes(kSizes), extent.rounds(kRounds), make_revision, measure_once));
  const Table table = table_of(revisions);
  print_report(revisions, table, extent.rounds(kRounds));
  return write_csv(table, extent.folder, "snapshot");
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run_all(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_snapshot: {}\n", done.error().text());
    return 2;
  }
  return 0;
}
