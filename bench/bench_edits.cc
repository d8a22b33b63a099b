// What a change to one rule costs krait, from the call until packets are judged by it: the policy is edited, not
// compiled anew. Needs root; works in namespaces of its own. Writes a table to the folder that its argument names.
#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/net/in_turn.h"
#include "bench/net/krait_filter.h"
#include "bench/scale.h"
#include "bench/table.h"
#include "krait/compile/editor.h"

namespace {

using namespace krait;
using namespace krait::bench;

constexpr std::uint32_t kSizes[] = {10, 1000, 10000, 100000};
constexpr int kRounds = 31;
constexpr double kAimChangeUs = 100;  // at 10,000 rules
constexpr double kAimGrantUs = 10;

struct Edited {
  std::uint32_t rules = 0;
  std::optional<compile::Editor> editor{};
  std::optional<KraitFilter> filter{};
  std::uint64_t revision = 1;
  std::vector<double> change_us{};
  std::vector<double> revoke_us{};
  std::vector<double> grant_us{};
  std::vector<double> wait_us{};
};

common::Result<void> make(Edited& size, const Arena& arena, const std::string& bpffs) {
  const Scale scale = make_scale(size.rules);
  auto editor = compile::Editor::create(scale.bindings, scale.policy, size.revision);
  if (!editor) {
    return std::move(editor.error());
  }
  auto filter = KraitFilter::attach(arena, scale, bpffs);
  if (!filter) {
    return std::move(filter.error());
  }
  if (auto published = filter->publish(editor->snapshot().image); !published) {
    return published;
  }
  size.editor = std::move(*editor);
  size.filter = std::move(*filter);
  return size.filter->snapshot().begin_edits();
}

// Makes `rule` the one in the middle of the policy and puts it in force.
common::Result<void> edit(Edited& size, const model::Rule& rule, std::vector<double>& us) {
  datapath::SnapshotMap& map = size.filter->snapshot();
  bool edited = false;
  us.push_back(microseconds([&] {
    const auto patches = size.editor->replace(size.rules / 2, rule);
    edited = patches.has_value();
    if (patches) {
      map.edit(*patches, ++size.revision);
    }
  }));
  if (!edited) {
    return common::Error(common::ErrorCode::system, "the change was no edit");
  }
  common::Result<void> waited;
  size.wait_us.push_back(microseconds([&] { waited = map.wait_for_readers(); }));
  return waited;
}

common::Result<void> measure_once(Edited& size) {
  const model::Rule rule = size.editor->policy().rules[size.rules / 2];
  model::Rule changed = rule;
  changed.selectors = size.editor->policy().rules[size.rules / 2 - 1].selectors;
  changed.action = model::Action::deny;
  model::Rule nothing = rule;
  nothing.selectors.clear();
  auto done = edit(size, changed, size.change_us);
  done = done ? edit(size, rule, size.change_us) : std::move(done);
  done = done ? edit(size, nothing, size.revoke_us) : std::move(done);
  return done ? edit(size, rule, size.grant_us) : std::move(done);
}

Table table_of(const std::vector<Edited>& sizes) {
  Table table{
      .header = {"rules", "one rule changed (us)", "revoked (us)", "granted (us)", "until the call returns (ms)"}};
  for (const Edited& size : sizes) {
    table.rows.push_back({fmt::format("{}", size.rules), fmt::format("{:.1f}", median(size.change_us)),
                          fmt::format("{:.1f}", median(size.revoke_us)), fmt::format("{:.1f}", median(size.grant_us)),
                          fmt::format("{:.1f}", median(size.wait_us) / 1000)});
  }
  return table;
}

void print_report(const std::vector<Edited>& sizes, const Table& table) {
  fmt::print(
      "## krait's edits\n\nOne rule between two identities, compiling included, until the switch is done; medians of "
      "{} rounds.\n\n{}\n",
      kRounds, markdown(table));
  for (const Edited& size : sizes) {
    if (size.rules != 10000) {
      continue;
    }
    const double change_us = median(size.change_us);
    const double grant_us = std::max(median(size.revoke_us), median(size.grant_us));
    fmt::print("{}", aim_line(fmt::format("one rule changed at {} rules, compiling included, under {:.0f} us",
                                          size.rules, kAimChangeUs),
                              change_us < kAimChangeUs, fmt::format("{:.1f} us", change_us)));
    fmt::print("{}\n", aim_line(fmt::format("one rule's grant or revoke under {:.0f} us", kAimGrantUs),
                                grant_us < kAimGrantUs, fmt::format("{:.1f} us", grant_us)));
  }
}

common::Result<void> run_all(const std::string& folder) {
  const auto sizes = measure_in_turn<Edited>(kSizes, kRounds, make, measure_once);
  if (!sizes) {
    return sizes.error();
  }
  const Table table = table_of(*sizes);
  print_report(*sizes, table);
  return write_csv(table, folder, "edits");
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = run_all(argc > 1 ? argv[1] : ""); !done) {
    fmt::print(stderr, "bench_edits: {}\n", done.error().text());
    return 2;
  }
  return 0;
}
