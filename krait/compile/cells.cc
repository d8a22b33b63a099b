#include "krait/compile/cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "krait/compile/records.h"

namespace krait::compile {

std::uint32_t Cells::of_rule(std::uint32_t rule) {
  const model::Rule& source = policy_.rules[rule];
  const bool allows = source.action == model::Action::allow;
  const std::uint32_t number = (rule + 1) | (source.reject ? KRAIT_CELL_REJECT : 0U);
  const std::uint32_t cell = number | (allows ? KRAIT_CELL_ALLOW : 0U) | (source.log ? KRAIT_CELL_LOG : 0U);
  const std::uint64_t deadline = deadlines_[rule];
  if (deadline == kNever) {
    return cell;
  }
  const std::uint32_t left_behind = allows ? number | KRAIT_CELL_EXPIRED : 0;
  return deadline == 0 ? left_behind : intern({{deadline, cell}, {kNever, left_behind}});
}

Cells::Phases Cells::phases_of(std::uint32_t cell) const {
  return cell & KRAIT_CELL_TIMED ? *timed_[cell & KRAIT_CELL_RULE] : Phases{{kNever, cell}};
}

std::uint32_t Cells::intern(Phases phases) {
  if (phases.size() == 1) {
    return phases.front().cell;
  }
  const auto [entry, is_new] =
      known_.emplace(std::move(phases), static_cast<std::uint32_t>(timed_.size()) | KRAIT_CELL_TIMED);
  if (is_new) {
    timed_.push_back(&entry->first);
  }
  return entry->second;
}

std::uint32_t Cells::stronger_by_time(std::uint32_t a, std::uint32_t b) {
  if (a == 0 || b == 0) {
    return a == 0 ? b : a;
  }
  const auto [entry, is_new] = pairs_.emplace(std::minmax(a, b), 0);
  if (!is_new) {
    return entry->second;
  }
  const Phases left = phases_of(a);
  const Phases right = phases_of(b);
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
  entry->second = intern(std::move(both));
  return entry->second;
}

std::uint32_t Cells::final_cell(std::uint32_t cell, const std::vector<std::uint32_t>& record_of_rule) {
  const std::uint32_t number = cell & KRAIT_CELL_RULE;
  if ((cell & KRAIT_CELL_TIMED) == 0) {
    return number == 0 ? cell : (cell & ~KRAIT_CELL_RULE) | (record_of_rule[number - 1] + 1);
  }
  const auto [root, is_new] = roots_.emplace(cell, 0);
  if (is_new) {
    const Phases& phases = *timed_[number];
    longest_ = longest_ == nullptr || phases.size() > longest_->size() ? &phases : longest_;
    root->second = plant(phases, record_of_rule);
  }
  return root->second;
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
  constexpr std::size_t kMostPhases = std::size_t{1} << KRAIT_MOMENT_DEPTH;
  if (longest_ != nullptr && longest_->size() > kMostPhases) {
    const model::Rule& rule = policy_.rules[(longest_->front().cell & KRAIT_CELL_RULE) - 1];
    return common::Error(common::ErrorCode::limit,
                         fmt::format("{} expiries change what one packet may do, {} more than the limit of {}; one of "
                                     "the rules is \"{}\" ({}:{}): let some of them expire at the same time",
                                     longest_->size() - 1, longest_->size() - kMostPhases, kMostPhases - 1, rule.name,
                                     policy_.file, rule.at.line));
  }
  if (moments_.size() > KRAIT_CELL_RULE) {
    return common::Error(common::ErrorCode::limit,
                         fmt::format("the policy's expiries take {} moments, {} more than the limit of {}",
                                     moments_.size(), moments_.size() - KRAIT_CELL_RULE, KRAIT_CELL_RULE));
  }
  return {};
}

}  // namespace krait::compile
