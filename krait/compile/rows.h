// The verdict matrix: for each pair of identity classes a row of cells by port class.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/cells.h"
#include "krait/compile/classes.h"
#include "krait/compile/effort.h"
#include "krait/compile/limits.h"
#include "krait/compile/row_store.h"

namespace krait::compile {

// The most pairs of classes that a policy's lists may name, counted once for each rule: what bounds time and memory.
inline constexpr std::uint64_t kMaxClassPairs = 4'000'000;
// The most matrix entries (source classes times destination classes).
inline constexpr std::uint64_t kMaxMatrixEntries = 16'000'000;
inline constexpr std::uint64_t kMaxWords = 8'000'000;

// Everything that it is given must outlive it.
class RowBuilder {
 public:
  RowBuilder(const model::Policy& policy, const Classes& classes, Cells& cells, Effort& effort);
  RowBuilder(RowBuilder&&) noexcept;
  ~RowBuilder();

  // Fails with ErrorCode::limit as soon as a limit is exceeded. Cells are those of `cells`, not final ones.
  common::Result<void> build(const Bounds& bounds);
  [[nodiscard]] const Rows& rows() const;

 private:
  class Builder;
  std::unique_ptr<Builder> builder_;
};

}  // namespace krait::compile
