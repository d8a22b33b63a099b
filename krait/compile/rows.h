// The verdict matrix: for each pair of identity classes a row of cells by port class.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/cells.h"
#include "krait/compile/classes.h"

namespace krait::compile {

struct Rows {
  std::vector<std::uint32_t> matrix;  // [source class][destination class]
  std::vector<krait_short_row> short_rows;
  std::vector<krait_word> words;
  std::vector<std::uint32_t> cells;
  std::uint32_t word_stride = 0;
  std::uint32_t distinct = 0;  // rows of both kinds
};

// The most pairs of classes that a policy's lists may name, counted once for each rule: what bounds time and memory.
inline constexpr std::uint64_t kMostClassPairs = 16'000'000;
// The most matrix entries (source classes times destination classes).
inline constexpr std::uint64_t kMostMatrixEntries = 16'000'000;
inline constexpr std::uint64_t kMostWords = 8'000'000;

// Everything that it is given must outlive it.
class RowBuilder {
 public:
  RowBuilder(const model::Policy& policy, const Classes& classes, Cells& cells);
  RowBuilder(RowBuilder&&) noexcept;
  ~RowBuilder();

  // Fails with ErrorCode::limit. Cells are those of `cells`, not yet final ones.
  common::Result<void> build();
  [[nodiscard]] Rows& rows();

  // After build(): the row of two classes when these rules, ascending, name both of them; appended where it is a new
  // one. Puts nothing into the matrix.
  std::uint32_t row_of(std::uint32_t source, std::uint32_t destination, const std::vector<std::uint32_t>& rules);

 private:
  class Builder;
  std::unique_ptr<Builder> builder_;
};

}  // namespace krait::compile
