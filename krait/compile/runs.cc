#include "krait/compile/runs.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>

#include "krait/compile/records.h"

namespace krait::compile {

namespace {

// What things cost, in steps of a merge.
constexpr std::uint64_t kStepsOfCall = 16;
constexpr std::uint64_t kStepsOfRange = 8;
constexpr std::uint64_t kStepsOfMoment = 8;

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
  std::uint32_t first, behind;
  Cells::OfRule says;
};

// Of the deadlines at numbered places, the first from some place on that is later than some moment.
class Deadlines {
 public:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  explicit Deadlines(std::size_t places) : leaves_(std::bit_ceil(places)), latest_(2 * leaves_) {}

  // 0: there is none.
  void set(std::size_t place, std::uint64_t deadline) {
    std::size_t node = leaves_ + place;
    latest_[node] = deadline;
    for (; node > 1; node /= 2) {
      latest_[node / 2] = std::max(latest_[node], latest_[node ^ 1U]);
    }
  }
  [[nodiscard]] std::size_t first(std::size_t from, std::uint64_t moment) const {
    if (from >= leaves_) {
      return kNone;
    }
    std::size_t node = leaves_ + from;
    while (latest_[node] <= moment) {
      for (; node % 2 == 1; node /= 2) {
      }
      if (node == 0) {
        return kNone;
      }
      ++node;
    }
    while (node < leaves_) {
      node *= 2;
      node += latest_[node] <= moment ? 1 : 0;
    }
    return node - leaves_;
  }

 private:
  std::size_t leaves_;
  std::vector<std::uint64_t> latest_;  // a tree: node n is over 2n and 2n + 1
};

// The ranges with a deadline that are open while a sweep goes up the port classes. What they say is built anew from all
// of them at once wherever it may change: pair by pair it would pass through every list of moments in between.
class OpenTimed {
 public:
  // Of these ranges some may be opened.
  OpenTimed(Cells& cells, Effort& effort, const std::vector<Range>& ranges)
      : cells_(cells), effort_(effort), strongest_first_(timed(ranges)), deadlines_(strongest_first_.size() + 1) {
    first_allow_ = static_cast<std::size_t>(
        std::ranges::find_if(strongest_first_, [](const Range& range) { return range.says.left_behind != 0; }) -
        strongest_first_.begin());
  }

  void open(const Range& range) {
    const auto place = static_cast<std::size_t>(std::ranges::lower_bound(strongest_first_, key(range), {}, key) -
                                                strongest_first_.begin());
    deadlines_.set(place, range.says.now.until_boot_ns);
    open_.push({range.behind, place});
  }
  void close_before(std::uint32_t port_class) {
    for (; !open_.empty() && open_.top().first <= port_class; open_.pop()) {
      deadlines_.set(open_.top().second, 0);
    }
  }
  // The strongest of the open ones and of `lasting`, which does not depend on the time.
  std::uint32_t strongest(std::uint32_t lasting) {
    if (open_.empty() || cells_.is_full()) {
      return lasting;
    }
    Cells::Phases phases;
    std::uint64_t moment = 0;
    for (auto place = deadlines_.first(0, 0); place != Deadlines::kNone; place = deadlines_.first(place + 1, moment)) {
      const Cells::Phase& phase = strongest_first_[place].says.now;
      if (Cells::rank(phase.cell) > Cells::rank(lasting) || !effort_.spend(kStepsOfMoment)) {
        break;
      }
      phases.push_back(phase);
      moment = phase.until_boot_ns;
    }
    const auto allow = deadlines_.first(first_allow_, 0);
    const std::uint32_t left_behind = allow == Deadlines::kNone ? 0 : strongest_first_[allow].says.left_behind;
    phases.push_back({kNever, cells_.stronger(lasting, left_behind)});
    return cells_.of_phases(std::move(phases));
  }

 private:
  static std::pair<std::uint32_t, std::uint32_t> key(const Range& range) {
    return {Cells::rank(range.says.now.cell), range.first};
  }
  static std::vector<Range> timed(const std::vector<Range>& ranges) {
    std::vector<Range> timed;
    std::ranges::copy_if(ranges, std::back_inserter(timed),
                         [](const Range& range) { return range.says.now.until_boot_ns != kNever; });
    std::ranges::sort(timed, {}, key);
    return timed;
  }

  Cells& cells_;
  Effort& effort_;
  std::vector<Range> strongest_first_;
  Deadlines deadlines_;  // of the open ones, by their place in strongest_first_
  std::size_t first_allow_ = 0;
  using Open = std::pair<std::uint32_t, std::size_t>;  // the class behind it, its place
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open_;
};

// The ranges that are open while a sweep goes up the port classes.
class OpenRanges {
 public:
  OpenRanges(Cells& cells, Effort& effort, const std::vector<Range>& ranges) : timed_(cells, effort, ranges) {}

  void open(const Range& range) {
    if (range.says.now.until_boot_ns != kNever) {
      timed_.open(range);
    } else {
      lasting_.push(range);
    }
  }
  void close_before(std::uint32_t port_class) {
    while (!lasting_.empty() && lasting_.top().behind <= port_class) {
      lasting_.pop();
    }
    timed_.close_before(port_class);
  }
  std::uint32_t strongest() { return timed_.strongest(lasting_.empty() ? 0 : lasting_.top().says.now.cell); }

 private:
  struct Weaker {
    bool operator()(const Range& a, const Range& b) const {
      return Cells::rank(a.says.now.cell) > Cells::rank(b.says.now.cell);
    }
  };
  std::priority_queue<Range, std::vector<Range>, Weaker> lasting_;
  OpenTimed timed_;
};

std::vector<Range> ranges_of(const Cells& cells, const Classes& classes, std::span<const std::uint32_t> rules) {
  std::vector<Range> ranges;
  ranges.reserve(rules.size());
  for (const std::uint32_t rule : rules) {
    const auto& bounds = classes.rules[rule].port_bounds;
    const Cells::OfRule says = cells.of_rule(rule);
    for (std::size_t i = 0; i < bounds.size() && says.now.cell != 0; i += 2) {
      ranges.push_back({bounds[i], bounds[i + 1], says});
    }
  }
  std::ranges::sort(ranges, {}, &Range::first);
  return ranges;
}

Runs runs_of_one(Cells& cells, const Classes& classes, std::uint32_t rule) {
  const Cells::OfRule says = cells.of_rule(rule);
  const std::uint32_t cell =
      says.now.until_boot_ns == kNever ? says.now.cell : cells.of_phases({says.now, {kNever, says.left_behind}});
  const auto& bounds = classes.rules[rule].port_bounds;
  Runs runs;
  runs.reserve(1 + bounds.size());
  append(runs, 0, 0);
  for (std::size_t i = 0; i < bounds.size(); i += 2) {
    append(runs, bounds[i], cell);
    if (bounds[i + 1] < classes.ports) {
      append(runs, bounds[i + 1], 0);
    }
  }
  return runs;
}

}  // namespace

Runs runs_of(Cells& cells, const Classes& classes, std::span<const std::uint32_t> rules, Effort& effort) {
  std::uint64_t count = 0;
  for (const std::uint32_t rule : rules) {
    count += classes.rules[rule].port_bounds.size() / 2;
  }
  if (!effort.spend(kStepsOfCall + kStepsOfRange * count)) {
    return {{0, 0}};
  }
  if (rules.size() == 1) {
    return runs_of_one(cells, classes, rules.front());
  }
  const std::vector<Range> ranges = ranges_of(cells, classes, rules);
  std::vector<std::uint32_t> bounds{0};
  bounds.reserve(1 + 2 * ranges.size());
  for (const Range& range : ranges) {
    bounds.push_back(range.first);
    bounds.push_back(range.behind);
  }
  std::ranges::sort(bounds);
  const auto repeated = std::ranges::unique(bounds);
  bounds.erase(repeated.begin(), repeated.end());
  OpenRanges open(cells, effort, ranges);
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

Runs merge(Cells& cells, const Runs& a, const Runs& b, Effort& effort) {
  if (!effort.spend(kStepsOfCall + a.size() + b.size())) {
    return {{0, 0}};
  }
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

}  // namespace krait::compile
