// The rows of verdicts, each distinct one once.
#pragma once

#include <cstdint>
#include <vector>

#include "krait/abi/snapshot.h"
#include "krait/compile/runs.h"

namespace krait::compile {

struct Rows {
  std::vector<std::uint32_t> matrix;  // [source class][destination class]
  std::vector<krait_short_row> short_rows;
  std::vector<krait_word> words;
  std::vector<std::uint32_t> cells;
  std::uint32_t word_stride = 0;
  std::uint32_t distinct = 0;  // rows of both kinds

  // What they take in a snapshot.
  [[nodiscard]] std::uint64_t bytes() const {
    return matrix.size() * sizeof(std::uint32_t) + short_rows.size() * sizeof(krait_short_row) +
           words.size() * sizeof(krait_word) + cells.size() * sizeof(std::uint32_t);
  }
};

class RowStore {
 public:
  // `rows` must outlive it.
  RowStore(Rows& rows, std::uint32_t port_classes);

  // The number of the row with these runs, as it stands in the matrix.
  std::uint32_t add(const Runs& runs);
  // The runs of a row that add() gave.
  [[nodiscard]] Runs runs(std::uint32_t row) const;

 private:
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t row = ~0U;  // ~0: free
  };

  std::uint32_t store(const Runs& runs);
  std::uint32_t add_short(const Runs& runs);
  std::uint32_t add_long(const Runs& runs);
  [[nodiscard]] bool has(std::uint32_t row, const Runs& runs) const;
  Place& free_place(std::uint32_t hash);
  void grow();

  Rows& rows_;
  std::vector<Place> places_;  // open addressing; a power of two, at most half of it taken
};

}  // namespace krait::compile
