#include "krait/compile/cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "krait/compile/records.h"

namespace krait::compile {

namespace {

constexpr std::uint64_t kStepsOfPhase = 4;
constexpr std::size_t kMaxPairs = std::size_t{1} << 18U;  // remembered at a time

}  // namespace

std::size_t Cells::PhasesHash::operator()(const Phases& phases) const {
  std::size_t hash = phases.size();
  for (const Phase& phase : phases) {
    hash = (hash ^ phase.until_boot_ns) * 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ hash >> 29U ^ phase.cell) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 32U;
  }
  return hash;
}

Cells::OfRule Cells::of_rule(std::uint32_t rule) const {
  const model::Rule& source = policy_.rules[rule];
  const bool allows = source.action == model::Action::allow;
  const std::uint32_t number = (rule + 1) | (source.reject ? KRAIT_CELL_REJECT : 0U);
  const std::uint32_t cell = number | (allows ? KRAIT_CELL_ALLOW : 0U) | (source.log ? KRAIT_CELL_LOG : 0U);
  const std::uint32_t left_behind = allows ? number | KRAIT_CELL_EXPIRED : 0;
  const std::uint64_t deadline = deadlines_[rule];
  return deadline == 0 ? OfRule{{kNever, left_behind}, 0} : OfRule{{deadline, cell}, left_behind};
}

Cells::Phases Cells::phases_of(std::uint32_t cell) const {
  return cell & KRAIT_CELL_TIMED ? *timed_[cell & KRAIT_CELL_RULE] : Phases{{kNever, cell}};
}

std::uint32_t Cells::of_phases(Phases phases) {
  if (phases.size() == 1) {
    return phases.front().cell;
  }
  const std::size_t count = phases.size();
  if (const auto entry = known_.find(phases); entry != known_.end()) {
    return entry->second;
  }
  is_full_ = is_full_ || phases_ + count > kMaxMoments;
  if (is_full_) {
    return 0;
  }
  const auto number = static_cast<std::uint32_t>(timed_.size()) | KRAIT_CELL_TIMED;
  timed_.push_back(&known_.emplace(std::move(phases), number).first->first);
  phases_ += count;
  return number;
}

Cells::Phases Cells::merged(const Phases& left, const Phases& right) {
  Phases both;
  for (std::size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    const std::uint64_t until = std::min(left[i].until_boot_ns, right[j].until_boot_ns);
    const std::uint32_t cell = rank(left[i].cell) <= rank(right[j].cell) ? left[i].cell : right[j].cell;
    if (!both.empty() && both.back().cell == cell) {
      both.back().until_boot_ns = until;
    } else {
      both.push_back({until, cell});
    }
    i += left[i].until_boot_ns == until ? 1 : 0;
    j += right[j].until_boot_ns == until ? 1 : 0;
  }
  return both;
}

std::uint32_t Cells::stronger_by_time(std::uint32_t a, std::uint32_t b) {
  if (a == 0 || b == 0) {
    return a == 0 ? b : a;
  }
  const auto [first, second] = std::minmax(a, b);
  const std::uint64_t key = std::uint64_t{first} << 32U | second;
  if (const auto entry = pairs_.find(key); entry != pairs_.end()) {
    return entry->second;
  }
  const Phases left = phases_of(a);
  const Phases right = phases_of(b);
  if (!effort_.spend(kStepsOfPhase * (left.size() + right.size()))) {
    return 0;
  }
  if (pairs_.size() == kMaxPairs) {
    pairs_.clear();
  }
  return pairs_[key] = of_phases(merged(left, right));
}

std::uint32_t Cells::final_cell(std::uint32_t cell, const std::vector<std::uint32_t>& record_of_rule) {
  const std::uint32_t number = cell & KRAIT_CELL_RULE;
  if ((cell & KRAIT_CELL_TIMED) == 0) {
    return number == 0 ? cell : (cell & ~KRAIT_CELL_RULE) | (record_of_rule[number - 1] + 1);
  }
  roots_.resize(timed_.size());
  if (roots_[number] == 0) {
    const Phases& phases = *timed_[number];
    longest_ = longest_ == nullptr || phases.size() > longest_->size() ? &phases : longest_;
    roots_[number] = plant(phases, record_of_rule);
  }
  return roots_[number];
}

std::uint32_t Cells::plant(std::span<const Phase> phases, const std::vector<std::uint32_t>& record_of_rule) {
  if (phases.size() == 1) {
    return final_cell(phases.front().cell, record_of_rule);
  }
  const std::size_t half = (phases.size() + 1) / 2;
  const std::uint32_t before = plant(phases.first(half), record_of_rule);
  const std::uint32_t after = plant(phases.subspan(half), record_of_rule);
  moments_.push_back({.boot_ns = phases[half - 1].until_boot_ns, .before = before, .after = after});
  return static_cast<std::uint32_t>(moments_.size() - 1) | KRAIT_CELL_TIMED;
}

common::Result<void> Cells::check() const {
  if (is_full_) {
    return common::Error(common::ErrorCode::limit,
                         fmt::format("{}: the rules' expiries take more than the limit of {} moments; let more rules "
                                     "expire at the same time, or fewer pairs and ports have an expiry",
                                     policy_.file, kMaxMoments));
  }
  constexpr std::size_t kMaxPhases = std::size_t{1} << KRAIT_MOMENT_DEPTH;
  if (longest_ != nullptr && longest_->size() > kMaxPhases) {
    const model::Rule& rule = policy_.rules[(longest_->front().cell & KRAIT_CELL_RULE) - 1];
    return common::Error(common::ErrorCode::limit,
                         fmt::format("{}:{}: {} expiries change what one packet may do, {} more than the limit of {}; "
                                     "one of the rules is \"{}\": let some of them expire at the same time",
                                     policy_.file, rule.at.line, longest_->size() - 1, longest_->size() - kMaxPhases,
                                     kMaxPhases - 1, rule.name));
  }
  return {};
}

}  // namespace krait::compile
