#include "krait/compile/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <queue>
#include <unordered_map>

namespace krait::compile {

namespace {

using Runs = std::vector<krait_run>;  // ascending, neighbours differ, the first at class 0

void append(Runs& runs, std::uint32_t first_class, std::uint32_t cell) {
  if (!runs.empty() && runs.back().first_class == first_class) {
    runs.pop_back();
  }
  if (runs.empty() || runs.back().cell != cell) {
    runs.push_back({first_class, cell});
  }
}

// What one rule says of the port classes [first, behind).
struct Range {
  std::uint32_t first, behind, cell;
};

// The ranges that are open while a sweep goes up the port classes.
class OpenRanges {
 public:
  explicit OpenRanges(Cells& cells) : cells_(cells) {}

  void open(const Range& range) {
    if (range.cell & KRAIT_CELL_TIMED) {
      timed_.push_back(range);
    } else {
      plain_.push(range);
    }
  }
  void close_before(std::uint32_t port_class) {
    while (!plain_.empty() && plain_.top().behind <= port_class) {
      plain_.pop();
    }
    std::erase_if(timed_, [&](const Range& range) { return range.behind <= port_class; });
  }
  std::uint32_t strongest() {
    std::uint32_t cell = plain_.empty() ? 0 : plain_.top().cell;
    for (const Range& range : timed_) {
      cell = cells_.stronger(cell, range.cell);
    }
    return cell;
  }

 private:
  struct Weaker {
    bool operator()(const Range& a, const Range& b) const { return Cells::rank(a.cell) > Cells::rank(b.cell); }
  };
  Cells& cells_;
  std::priority_queue<Range, std::vector<Range>, Weaker> plain_;
  std::vector<Range> timed_;
};

// Cuts the runs of these rules out of the port classes.
Runs runs_of(Cells& cells, const Classes& classes, const std::vector<std::uint32_t>& rules) {
  std::vector<Range> ranges;
  ranges.reserve(rules.size());
  for (const std::uint32_t rule : rules) {
    const auto& bounds = classes.rules[rule].port_bounds;
    const std::uint32_t cell = cells.of_rule(rule);
    for (std::size_t i = 0; i < bounds.size() && cell != 0; i += 2) {
      ranges.push_back({bounds[i], bounds[i + 1], cell});
    }
  }
  std::ranges::sort(ranges, {}, &Range::first);
  std::vector<std::uint32_t> bounds;
  bounds.reserve(1 + 2 * ranges.size());
  bounds.push_back(0);
  for (const Range& range : ranges) {
    bounds.push_back(range.first);
    bounds.push_back(range.behind);
  }
  std::ranges::sort(bounds);
  OpenRanges open(cells);
  Runs runs;
  auto next = ranges.begin();
  for (const std::uint32_t bound : bounds) {
    for (; next != ranges.end() && next->first == bound; ++next) {
      open.open(*next);
    }
    open.close_before(bound);
    if (bound < classes.ports) {
      append(runs, bound, open.strongest());
    }
  }
  return runs;
}

// At every class the stronger cell of the two.
Runs merge(Cells& cells, const Runs& a, const Runs& b) {
  Runs merged;
  merged.reserve(a.size() + b.size());
  std::size_t i = 0;
  std::size_t j = 0;
  std::uint32_t cell_a = 0;
  std::uint32_t cell_b = 0;
  while (i < a.size() || j < b.size()) {
    const std::uint32_t at_a = i < a.size() ? a[i].first_class : ~0U;
    const std::uint32_t at_b = j < b.size() ? b[j].first_class : ~0U;
    const std::uint32_t at = std::min(at_a, at_b);
    cell_a = at_a == at ? a[i++].cell : cell_a;
    cell_b = at_b == at ? b[j++].cell : cell_b;
    append(merged, at, cells.stronger(cell_a, cell_b));
  }
  return merged;
}

// Stores each distinct row once.
class RowStore {
 public:
  RowStore(Rows& rows, std::uint32_t port_classes) : rows_(rows) { rows_.word_stride = (port_classes + 63) / 64; }

  std::uint32_t add(const Runs& runs) {
    const auto [entry, is_new] = known_.emplace(runs, 0);
    if (is_new) {
      entry->second = runs.size() <= KRAIT_SHORT_RUNS ? add_short(runs) : add_long(runs);
      ++rows_.distinct;
    }
    return entry->second;
  }

 private:
  struct RunsHash {
    std::size_t operator()(const Runs& runs) const {
      std::size_t hash = runs.size();
      for (const krait_run& run : runs) {
        hash = (hash ^ (std::uint64_t{run.first_class} << 32U | run.cell)) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29U;
      }
      return hash;
    }
  };
  struct RunsEqual {
    bool operator()(const Runs& a, const Runs& b) const {
      return std::ranges::equal(a, b, [](const krait_run& x, const krait_run& y) {
        return x.first_class == y.first_class && x.cell == y.cell;
      });
    }
  };

  std::uint32_t add_short(const Runs& runs) {
    krait_short_row& row = rows_.short_rows.emplace_back();
    std::ranges::fill(row.runs, krait_run{~0U, 0});
    std::ranges::copy(runs, row.runs);
    return static_cast<std::uint32_t>(rows_.short_rows.size() - 1) | KRAIT_ROW_SHORT;
  }

  std::uint32_t add_long(const Runs& runs) {
    const std::size_t first = rows_.words.size();
    rows_.words.resize(first + rows_.word_stride);
    for (const krait_run& run : runs) {
      rows_.words[first + run.first_class / 64].begins |= 1ULL << (run.first_class % 64);
    }
    auto base = static_cast<std::uint32_t>(rows_.cells.size());
    for (std::size_t i = first; i < rows_.words.size(); ++i) {
      rows_.words[i].base = base;
      base += static_cast<std::uint32_t>(std::popcount(rows_.words[i].begins));
    }
    for (const krait_run& run : runs) {
      rows_.cells.push_back(run.cell);
    }
    return static_cast<std::uint32_t>(first / rows_.word_stride);
  }

  Rows& rows_;
  std::unordered_map<Runs, std::uint32_t, RunsHash, RunsEqual> known_;
};

// The rules by how they name their ends.
struct Split {
  std::vector<std::uint32_t> any_to_any;
  std::vector<std::vector<std::uint32_t>> to_any;    // by source class
  std::vector<std::vector<std::uint32_t>> from_any;  // by destination class
  struct Pair {
    std::uint64_t key;  // source class * destinations + destination class
    std::uint32_t rule;
  };
  std::vector<Pair> pairs;  // ascending by key, then rule
};

common::Result<Split> split(const model::Policy& policy, const Classes& classes) {
  Split split{.any_to_any = {}, .to_any = {}, .from_any = {}, .pairs = {}};
  split.to_any.resize(classes.sources);
  split.from_any.resize(classes.destinations);
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    const ClassedRule& rule = classes.rules[i];
    const bool from_any = policy.rules[i].from.any;
    const bool to_any = policy.rules[i].to.any;
    if (from_any && to_any) {
      split.any_to_any.push_back(i);
    }
    for (const std::uint32_t from : to_any ? rule.from : std::vector<std::uint32_t>{}) {
      split.to_any[from].push_back(i);
    }
    for (const std::uint32_t to : from_any ? rule.to : std::vector<std::uint32_t>{}) {
      split.from_any[to].push_back(i);
    }
    if (split.pairs.size() + std::uint64_t{rule.from.size()} * rule.to.size() > kMostClassPairs) {
      return common::Error(
          common::ErrorCode::limit,
          fmt::format("rule \"{}\" ({}:{}) takes the policy over {} pairs of identity classes named in "
                      "from and to; use \"*\" or split the mesh",
                      policy.rules[i].name, policy.file, policy.rules[i].at.line, kMostClassPairs));
    }
    for (const std::uint32_t from : rule.from) {
      for (const std::uint32_t to : rule.to) {
        split.pairs.push_back({std::uint64_t{from} * classes.destinations + to, i});
      }
    }
  }
  std::ranges::sort(split.pairs, [](const Split::Pair& a, const Split::Pair& b) {
    return a.key != b.key ? a.key < b.key : a.rule < b.rule;
  });
  return split;
}

// Numbers the distinct run lists of one side; most classes of a side share one.
std::vector<std::uint32_t> group(const std::vector<Runs>& runs, std::vector<const Runs*>& distinct) {
  std::vector<std::uint32_t> group_of;
  const auto key = [](const Runs& list) {
    std::vector<std::uint64_t> flat;
    for (const krait_run& run : list) {
      flat.push_back(std::uint64_t{run.first_class} << 32U | run.cell);
    }
    return flat;
  };
  std::map<std::vector<std::uint64_t>, std::uint32_t> known;
  for (const Runs& list : runs) {
    const auto [entry, is_new] = known.emplace(key(list), static_cast<std::uint32_t>(distinct.size()));
    if (is_new) {
      distinct.push_back(&list);
    }
    group_of.push_back(entry->second);
  }
  return group_of;
}

}  // namespace

class RowBuilder::Builder {
 public:
  Builder(const model::Policy& policy, const Classes& classes, Cells& cells)
      : policy_(policy), classes_(classes), cells_(cells), store_(rows_, classes.ports) {}

  Rows& rows() { return rows_; }

  common::Result<void> build() {
    if (auto checked = check_classes(); !checked) {
      return checked;
    }
    auto parts = split(policy_, classes_);
    if (!parts) {
      return passed_on(parts, "compile the policy");
    }
    fill_wildcards(*parts);
    return fill_pairs(*parts);
  }

  std::uint32_t row_of(std::uint32_t source, std::uint32_t destination, const std::vector<std::uint32_t>& rules) {
    const Runs own = runs_of(cells_, classes_, rules);
    return store_.add(merge(cells_, base_[base_of(source, destination)], own));
  }

 private:
  std::vector<Runs> side_runs(const std::vector<std::vector<std::uint32_t>>& lists) {
    std::vector<Runs> runs;
    runs.reserve(lists.size());
    for (const auto& list : lists) {
      runs.push_back(list.empty() ? Runs{{0, 0}} : runs_of(cells_, classes_, list));
    }
    return runs;
  }

  // What "*" says of each pair: the same for all pairs of two groups.
  void fill_wildcards(const Split& parts) {
    const Runs everywhere = runs_of(cells_, classes_, parts.any_to_any);
    by_source_ = side_runs(parts.to_any);
    by_destination_ = side_runs(parts.from_any);
    std::vector<const Runs*> sources;
    std::vector<const Runs*> destinations;
    source_group_ = group(by_source_, sources);
    destination_group_ = group(by_destination_, destinations);
    destination_groups_ = destinations.size();
    for (const Runs* source : sources) {
      const Runs half = merge(cells_, everywhere, *source);
      for (const Runs* destination : destinations) {
        base_.push_back(merge(cells_, half, *destination));
        base_row_.push_back(store_.add(base_.back()));
      }
    }
    rows_.matrix.reserve(std::size_t{classes_.sources} * classes_.destinations);
    for (std::uint32_t source = 0; source < classes_.sources; ++source) {
      for (std::uint32_t destination = 0; destination < classes_.destinations; ++destination) {
        rows_.matrix.push_back(base_row_[base_of(source, destination)]);
      }
    }
  }

  common::Result<void> fill_pairs(const Split& parts) {
    std::vector<std::uint32_t> rules;
    for (auto pair = parts.pairs.begin(); pair != parts.pairs.end();) {
      const std::uint64_t key = pair->key;
      for (rules.clear(); pair != parts.pairs.end() && pair->key == key; ++pair) {
        rules.push_back(pair->rule);
      }
      const auto source = static_cast<std::uint32_t>(key / classes_.destinations);
      const auto destination = static_cast<std::uint32_t>(key % classes_.destinations);
      rows_.matrix[key] = row_of(source, destination, rules);
      if (rows_.words.size() + rows_.cells.size() > kMostWords) {
        return common::Error(common::ErrorCode::limit,
                             fmt::format("the policy tells apart {} port classes in more than {} rows; the limit is {} "
                                         "words of 64 classes: use port ranges or fewer distinct ports",
                                         classes_.ports, rows_.distinct, kMostWords));
      }
    }
    return {};
  }

  [[nodiscard]] common::Result<void> check_classes() const {
    const std::uint64_t entries = std::uint64_t{classes_.sources} * classes_.destinations;
    constexpr std::uint32_t kMostClasses = 65'535;  // they are __u16 in krait_slot
    if (entries <= kMostMatrixEntries && std::max(classes_.sources, classes_.destinations) <= kMostClasses) {
      return {};
    }
    return common::Error(
        common::ErrorCode::limit,
        fmt::format("the policy tells apart {} source and {} destination identity classes ({} pairs); the "
                    "limits are {} classes and {} pairs",
                    classes_.sources, classes_.destinations, entries, kMostClasses, kMostMatrixEntries));
  }

  [[nodiscard]] std::size_t base_of(std::uint32_t source, std::uint32_t destination) const {
    return source_group_[source] * destination_groups_ + destination_group_[destination];
  }

  const model::Policy& policy_;
  const Classes& classes_;
  Cells& cells_;
  Rows rows_;
  RowStore store_;
  std::vector<Runs> by_source_;
  std::vector<Runs> by_destination_;
  std::vector<std::uint32_t> source_group_;
  std::vector<std::uint32_t> destination_group_;
  std::size_t destination_groups_ = 0;
  std::vector<Runs> base_;
  std::vector<std::uint32_t> base_row_;
};

RowBuilder::RowBuilder(const model::Policy& policy, const Classes& classes, Cells& cells)
    : builder_(std::make_unique<Builder>(policy, classes, cells)) {}
RowBuilder::RowBuilder(RowBuilder&&) noexcept = default;
RowBuilder::~RowBuilder() = default;

common::Result<void> RowBuilder::build() { return builder_->build(); }

Rows& RowBuilder::rows() { return builder_->rows(); }

std::uint32_t RowBuilder::row_of(std::uint32_t source, std::uint32_t destination,
                                 const std::vector<std::uint32_t>& rules) {
  return builder_->row_of(source, destination, rules);
}

}  // namespace krait::compile
