// The cells of a policy while it is compiled. Most are final; one that depends on the time stands for a row of cells,
// each until a moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/effort.h"
#include "krait/model/policy.h"

namespace krait::compile {

// The most moments of all cells that depend on the time.
inline constexpr std::size_t kMaxMoments = 1'000'000;

class Cells {
 public:
  // `deadlines` like Policy::rules (compile::deadlines). Policy and effort must outlive it.
  Cells(const model::Policy& policy, std::vector<std::uint64_t> deadlines, Effort& effort)
      : policy_(policy), deadlines_(std::move(deadlines)), effort_(effort) {}

  // A cell until boot_ns; kNever is for ever.
  struct Phase {
    std::uint64_t until_boot_ns;
    std::uint32_t cell;
    auto operator<=>(const Phase&) const = default;
  };
  using Phases = std::vector<Phase>;  // ascending, neighbours' cells differ, the last for ever

  // What a rule says alone, and what it leaves behind when it expires. Numbers in cells are rules' places in the
  // policy, plus 1; with KRAIT_CELL_TIMED they are this object's.
  struct OfRule {
    Phase now;
    std::uint32_t left_behind;
  };
  [[nodiscard]] OfRule of_rule(std::uint32_t rule) const;

  // The cell that goes through these phases.
  std::uint32_t of_phases(Phases phases);

  // At every moment the stronger of the two: deny over allow over expired over nothing, then the earlier rule.
  std::uint32_t stronger(std::uint32_t a, std::uint32_t b) {
    return ((a | b) & KRAIT_CELL_TIMED) == 0 ? (rank(a) <= rank(b) ? a : b) : stronger_by_time(a, b);
  }

  static std::uint32_t rank(std::uint32_t cell) {
    return cell == 0 ? ~0U
                     : (cell & KRAIT_CELL_EXPIRED ? 0x80000000U : 0U) | (cell & KRAIT_CELL_ALLOW ? 0x40000000U : 0U) |
                           (cell & KRAIT_CELL_RULE);
  }

  // Whether there are more moments than kMaxMoments: cells are no longer right then, and no further ones are kept.
  [[nodiscard]] bool is_full() const { return is_full_; }

  // The cell as it stands in the snapshot: rules by the numbers of their records, one that depends on the time as a
  // tree of moments(). Call it for the cells that are left in the rows only.
  std::uint32_t final_cell(std::uint32_t cell, const std::vector<std::uint32_t>& record_of_rule);
  // Behind the last final_cell(): fails with ErrorCode::limit when a tree has or all of them have too many moments.
  [[nodiscard]] common::Result<void> check() const;
  [[nodiscard]] const std::vector<krait_moment>& moments() const { return moments_; }

 private:
  struct PhasesHash {
    std::size_t operator()(const Phases& phases) const;
  };

  [[nodiscard]] Phases phases_of(std::uint32_t cell) const;
  std::uint32_t stronger_by_time(std::uint32_t a, std::uint32_t b);
  [[nodiscard]] static Phases merged(const Phases& left, const Phases& right);
  std::uint32_t plant(std::span<const Phase> phases, const std::vector<std::uint32_t>& record_of_rule);

  const model::Policy& policy_;
  std::vector<std::uint64_t> deadlines_;
  Effort& effort_;
  std::unordered_map<Phases, std::uint32_t, PhasesHash> known_;
  std::vector<const Phases*> timed_;                        // by their number: keys of known_
  std::unordered_map<std::uint64_t, std::uint32_t> pairs_;  // stronger_by_time() of late
  std::size_t phases_ = 0;                                  // in known_
  bool is_full_ = false;
  std::vector<krait_moment> moments_;
  std::vector<std::uint32_t> roots_;  // by the number in the cell; 0: not planted yet
  const Phases* longest_ = nullptr;
};

}  // namespace krait::compile
