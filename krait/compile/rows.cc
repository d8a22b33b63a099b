#include "krait/compile/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <unordered_map>

#include "krait/compile/runs.h"

namespace krait::compile {

namespace {

// What a row costs whatever is in it, in steps of a merge.
constexpr std::uint64_t kStepsOfRow = 16;

using RuleList = std::vector<std::uint32_t>;  // ascending

// The rules by how they name their ends.
struct Split {
  RuleList any_to_any;
  std::vector<RuleList> to_any;    // by source class
  std::vector<RuleList> from_any;  // by destination class
  // Of the pair source class * destinations + destination class: the rules from begins[pair] to begins[pair + 1],
  // ascending.
  std::vector<std::uint32_t> begins;  // empty when there are none at all
  RuleList rules;
};

// How many pairs of classes the rules name.
common::Result<std::uint64_t> count_pairs(const model::Policy& policy, const Classes& classes) {
  std::uint64_t pairs = 0;
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    const ClassedRule& rule = classes.rules[i];
    pairs += std::uint64_t{rule.from.size()} * rule.to.size();
    if (pairs > kMaxClassPairs) {
      return common::Error(common::ErrorCode::limit,
                           fmt::format("{}:{}: rule \"{}\" takes the policy over {} pairs of identity classes named in "
                                       "from and to; use \"*\" or split the mesh",
                                       policy.file, policy.rules[i].at.line, policy.rules[i].name, kMaxClassPairs));
    }
  }
  return pairs;
}

// Sorts the rules by pair: counted first, so that nothing is in memory twice.
void split_pairs(const Classes& classes, std::uint64_t count, Split& split) {
  if (count == 0) {
    return;
  }
  const auto for_each_pair = [&](const auto& visit) {
    for (std::uint32_t i = 0; i < classes.rules.size(); ++i) {
      for (const std::uint32_t from : classes.rules[i].from) {
        for (const std::uint32_t to : classes.rules[i].to) {
          visit(std::size_t{from} * classes.destinations + to, i);
        }
      }
    }
  };
  // While it is filled, begins[pair + 1] is where the pair's next rule goes.
  split.begins.resize(std::size_t{classes.sources} * classes.destinations + 2);
  for_each_pair([&](std::size_t pair, std::uint32_t) { ++split.begins[pair + 2]; });
  for (std::size_t i = 1; i < split.begins.size(); ++i) {
    split.begins[i] += split.begins[i - 1];
  }
  split.rules.resize(count);
  for_each_pair([&](std::size_t pair, std::uint32_t rule) { split.rules[split.begins[pair + 1]++] = rule; });
}

common::Result<Split> split(const model::Policy& policy, const Classes& classes) {
  KRAIT_TRY(const auto pairs, count_pairs(policy, classes));
  Split split;
  split.to_any.resize(classes.sources);
  split.from_any.resize(classes.destinations);
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    const bool from_any = policy.rules[i].from.any;
    const bool to_any = policy.rules[i].to.any;
    if (from_any && to_any) {
      split.any_to_any.push_back(i);
    } else if (to_any) {
      for (const std::uint32_t from : classes.rules[i].from) {
        split.to_any[from].push_back(i);
      }
    } else if (from_any) {
      for (const std::uint32_t to : classes.rules[i].to) {
        split.from_any[to].push_back(i);
      }
    }
  }
  split_pairs(classes, pairs, split);
  return split;
}

// The classes of one side in groups to which "*" says the same.
struct Side {
  std::vector<std::uint32_t> group_of;  // by class
  std::vector<Runs> runs;               // by group
};

// The rows of late by what they were made of: most pairs have the rules of some other one.
class Remembered {
 public:
  Remembered() : rows_(kPlaces) {}

  struct Row {
    std::uint32_t base = 0;
    std::span<const std::uint32_t> rules;  // empty: none
    std::uint32_t row = 0;
  };
  // Where the row is or goes.
  Row& at(std::uint32_t base, std::span<const std::uint32_t> rules) {
    std::uint64_t hash = base;
    for (const std::uint32_t rule : rules) {
      hash = (hash ^ rule) * 0x9e3779b97f4a7c15ULL;
      hash ^= hash >> 32U;
    }
    return rows_[hash % kPlaces];
  }

 private:
  static constexpr std::size_t kPlaces = std::size_t{1} << 14U;
  std::vector<Row> rows_;
};

}  // namespace

class RowBuilder::Builder {
 public:
  Builder(const model::Policy& policy, const Classes& classes, Cells& cells, Effort& effort)
      : policy_(policy), classes_(classes), cells_(cells), effort_(effort), store_(rows_, classes.ports) {}

  [[nodiscard]] const Rows& rows() const { return rows_; }

  common::Result<void> build(const Bounds& bounds) {
    KRAIT_CHECK(check_matrix(bounds));
    KRAIT_TRY(auto parts, split(policy_, classes_));
    KRAIT_CHECK(fill_wildcards(parts, bounds));
    return fill_pairs(parts, bounds);
  }

 private:
  // The side's lists of rules by class.
  common::Result<Side> side_of(std::vector<RuleList> lists, const Bounds& bounds) {
    Side side;
    Rows rows;
    RowStore store(rows, classes_.ports);
    std::map<RuleList, std::uint32_t> group_of_list;
    std::unordered_map<std::uint32_t, std::uint32_t> group_of_row;
    for (RuleList& list : lists) {
      const auto [known, is_new_list] = group_of_list.emplace(std::move(list), 0);
      if (is_new_list) {
        Runs runs = known->first.empty() ? Runs{{0, 0}} : runs_of(cells_, classes_, known->first, effort_);
        const auto group = static_cast<std::uint32_t>(side.runs.size());
        const auto [row, is_new] = group_of_row.emplace(added(store, runs), group);
        if (is_new) {
          side.runs.push_back(std::move(runs));
        }
        known->second = row->second;
      }
      side.group_of.push_back(known->second);
      KRAIT_CHECK(check(rows, bounds));
    }
    return side;
  }

  // What "*" says of each pair: the same for all pairs of two groups.
  common::Result<void> fill_wildcards(Split& parts, const Bounds& bounds) {
    const Runs everywhere = runs_of(cells_, classes_, parts.any_to_any, effort_);
    KRAIT_TRY(auto sources, side_of(std::move(parts.to_any), bounds));
    KRAIT_TRY(auto destinations, side_of(std::move(parts.from_any), bounds));
    effort_.spend(kStepsOfRow * sources.runs.size() * destinations.runs.size());
    for (const Runs& source : sources.runs) {
      const Runs half = merge(cells_, everywhere, source, effort_);
      for (const Runs& destination : destinations.runs) {
        KRAIT_CHECK(check(rows_, bounds));
        base_.push_back(added(store_, merge(cells_, half, destination, effort_)));
      }
    }
    source_group_ = std::move(sources.group_of);
    destination_group_ = std::move(destinations.group_of);
    destination_groups_ = destinations.runs.size();
    fill_matrix();
    return check(rows_, bounds);
  }

  void fill_matrix() {
    rows_.matrix.reserve(std::size_t{classes_.sources} * classes_.destinations);
    for (std::uint32_t source = 0; source < classes_.sources; ++source) {
      for (std::uint32_t destination = 0; destination < classes_.destinations; ++destination) {
        rows_.matrix.push_back(base_[base_of(source, destination)]);
      }
    }
  }

  common::Result<void> fill_pairs(const Split& parts, const Bounds& bounds) {
    Remembered remembered;
    for (std::size_t pair = 0; pair + 2 < parts.begins.size(); ++pair) {
      const std::span rules(parts.rules.begin() + parts.begins[pair], parts.rules.begin() + parts.begins[pair + 1]);
      if (rules.empty()) {
        continue;
      }
      effort_.spend(rules.size());
      const std::uint32_t base = rows_.matrix[pair];
      Remembered::Row& known = remembered.at(base, rules);
      if (known.base != base || !std::ranges::equal(known.rules, rules)) {
        known = {base, rules, row_over(base, rules)};
      }
      rows_.matrix[pair] = known.row;
      KRAIT_CHECK(check(rows_, bounds));
    }
    return {};
  }

  // The row where these rules come to those of another row.
  std::uint32_t row_over(std::uint32_t base, std::span<const std::uint32_t> rules) {
    const Runs own = runs_of(cells_, classes_, rules, effort_);
    if (decoded_ != base || decoded_runs_.empty()) {
      decoded_ = base;
      decoded_runs_ = store_.runs(base);
      effort_.spend(cost(decoded_runs_));
    }
    return added(store_, merge(cells_, decoded_runs_, own, effort_));
  }

  std::uint32_t added(RowStore& store, const Runs& runs) {
    effort_.spend(cost(runs));
    return store.add(runs);
  }

  // Of storing a row or reading it.
  [[nodiscard]] std::uint64_t cost(const Runs& runs) const {
    return runs.size() + (runs.size() > KRAIT_SHORT_RUNS ? rows_.word_stride : 0);
  }

  [[nodiscard]] common::Result<void> check_matrix(const Bounds& bounds) const {
    const std::uint64_t entries = std::uint64_t{classes_.sources} * classes_.destinations;
    constexpr std::uint32_t kMaxClasses = 65'535;  // they are __u16 in krait_slot
    if (entries > kMaxMatrixEntries || std::max(classes_.sources, classes_.destinations) > kMaxClasses) {
      return common::Error(
          common::ErrorCode::limit,
          fmt::format("{}: the policy tells apart {} source and {} destination identity classes ({} pairs); the "
                      "limits are {} classes and {} pairs",
                      policy_.file, classes_.sources, classes_.destinations, entries, kMaxClasses, kMaxMatrixEntries));
    }
    return check_size(bounds, policy_, entries * sizeof(std::uint32_t));
  }

  // That nothing has become more than it may.
  [[nodiscard]] common::Result<void> check(const Rows& rows, const Bounds& bounds) const {
    if (effort_.exhausted()) {
      return common::Error(
          common::ErrorCode::limit,
          fmt::format("{}: to compare the port ranges and expiries of its rules, pair of identities by "
                      "pair, takes more than the limit of {} steps; use port ranges or fewer distinct "
                      "ports, or name fewer identities",
                      policy_.file, kMaxSteps));
    }
    if (cells_.is_full()) {
      return cells_.check();
    }
    if (rows.words.size() + rows.cells.size() > kMaxWords) {
      return common::Error(
          common::ErrorCode::limit,
          fmt::format("{}: the policy tells apart {} port classes in more than {} rows; the limit is {} "
                      "words of 64 classes: use port ranges or fewer distinct ports",
                      policy_.file, classes_.ports, rows.distinct, kMaxWords));
    }
    return rows.bytes() > max_bytes(bounds) ? too_large(bounds, policy_) : common::Result<void>();
  }

  [[nodiscard]] std::size_t base_of(std::uint32_t source, std::uint32_t destination) const {
    return source_group_[source] * destination_groups_ + destination_group_[destination];
  }

  const model::Policy& policy_;
  const Classes& classes_;
  Cells& cells_;
  Effort& effort_;
  Rows rows_;
  RowStore store_;
  std::vector<std::uint32_t> source_group_;
  std::vector<std::uint32_t> destination_group_;
  std::size_t destination_groups_ = 0;
  std::vector<std::uint32_t> base_;  // rows by source and destination group
  std::uint32_t decoded_ = 0;        // the row whose runs follow
  Runs decoded_runs_;
};

RowBuilder::RowBuilder(const model::Policy& policy, const Classes& classes, Cells& cells, Effort& effort)
    : builder_(std::make_unique<Builder>(policy, classes, cells, effort)) {}
RowBuilder::RowBuilder(RowBuilder&&) noexcept = default;
RowBuilder::~RowBuilder() = default;

common::Result<void> RowBuilder::build(const Bounds& bounds) { return builder_->build(bounds); }

const Rows& RowBuilder::rows() const { return builder_->rows(); }

}  // namespace krait::compile
