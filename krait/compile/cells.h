// The cells of a policy while it is compiled. Most are final; one that depends on the time stands for a row of cells,
// each until a moment.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/model/policy.h"

namespace krait::compile {

class Cells {
 public:
  // `deadlines` like Policy::rules (compile::deadlines).
  Cells(const model::Policy& policy, std::vector<std::uint64_t> deadlines)
      : policy_(policy), deadlines_(std::move(deadlines)) {}

  // What this rule alone says. Numbers in cells are rules' places in the policy, plus 1; with KRAIT_CELL_TIMED they are
  // this object's.
  std::uint32_t of_rule(std::uint32_t rule);

  // At every moment the stronger of the two: deny over allow over expired over nothing, then the earlier rule.
  std::uint32_t stronger(std::uint32_t a, std::uint32_t b) {
    return ((a | b) & KRAIT_CELL_TIMED) == 0 ? (rank(a) <= rank(b) ? a : b) : stronger_by_time(a, b);
  }

  static std::uint32_t rank(std::uint32_t cell) {
    return cell == 0 ? ~0U
                     : (cell & KRAIT_CELL_EXPIRED ? 0x80000000U : 0U) | (cell & KRAIT_CELL_ALLOW ? 0x40000000U : 0U) |
                           (cell & KRAIT_CELL_RULE);
  }

  // The cell as it stands in the snapshot: rules by the numbers of their records, one that depends on the time as a
  // tree of moments(). Call it for the cells that are left in the rows only.
  std::uint32_t final_cell(std::uint32_t cell, const std::vector<std::uint32_t>& record_of_rule);
  // Behind the last final_cell(): fails with ErrorCode::limit when a tree has or all of them have too many moments.
  [[nodiscard]] common::Result<void> check() const;
  [[nodiscard]] const std::vector<krait_moment>& moments() const { return moments_; }

 private:
  // One until boot_ns, the last for ever (kNever).
  struct Phase {
    std::uint64_t until_boot_ns;
    std::uint32_t cell;
    auto operator<=>(const Phase&) const = default;
  };
  using Phases = std::vector<Phase>;

  [[nodiscard]] Phases phases_of(std::uint32_t cell) const;
  std::uint32_t intern(Phases phases);
  std::uint32_t stronger_by_time(std::uint32_t a, std::uint32_t b);
  std::uint32_t plant(std::span<const Phase> phases, const std::vector<std::uint32_t>& record_of_rule);

  const model::Policy& policy_;
  std::vector<std::uint64_t> deadlines_;
  std::map<Phases, std::uint32_t> known_;
  std::vector<const Phases*> timed_;  // by their number: keys of known_
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> pairs_;
  std::vector<krait_moment> moments_;
  std::map<std::uint32_t, std::uint32_t> roots_;  // by the cell
  const Phases* longest_ = nullptr;
};

}  // namespace krait::compile
