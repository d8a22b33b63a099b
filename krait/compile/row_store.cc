#include "krait/compile/row_store.h"

#include <algorithm>
#include <bit>
#include <span>

namespace krait::compile {

namespace {

constexpr std::size_t kFirstPlaces = 64;

std::uint32_t hash_of(const Runs& runs) {
  std::uint64_t hash = runs.size();
  for (const krait_run& run : runs) {
    hash = (hash ^ (std::uint64_t{run.first_class} << 32U | run.cell)) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29U;
  }
  return static_cast<std::uint32_t>(hash ^ hash >> 32U);
}

bool same_runs(std::span<const krait_run> a, std::span<const krait_run> b) {
  return std::ranges::equal(
      a, b, [](const krait_run& x, const krait_run& y) { return x.first_class == y.first_class && x.cell == y.cell; });
}

std::span<const krait_run> used_runs(const krait_short_row& row) {
  std::size_t used = 0;
  while (used < KRAIT_SHORT_RUNS && row.runs[used].first_class != ~0U) {
    ++used;
  }
  return {row.runs, used};
}

}  // namespace

RowStore::RowStore(Rows& rows, std::uint32_t port_classes) : rows_(rows), places_(kFirstPlaces) {
  rows_.word_stride = (port_classes + 63) / 64;
}

std::uint32_t RowStore::add(const Runs& runs) {
  const std::uint32_t hash = hash_of(runs);
  for (std::size_t i = hash & (places_.size() - 1); places_[i].row != ~0U; i = (i + 1) & (places_.size() - 1)) {
    if (places_[i].hash == hash && has(places_[i].row, runs)) {
      return places_[i].row;
    }
  }
  if (2 * (std::size_t{rows_.distinct} + 1) > places_.size()) {
    grow();
  }
  const std::uint32_t row = store(runs);
  ++rows_.distinct;
  free_place(hash) = {hash, row};
  return row;
}

Runs RowStore::runs(std::uint32_t row) const {
  if (row & KRAIT_ROW_SHORT) {
    const auto used = used_runs(rows_.short_rows[row & ~KRAIT_ROW_SHORT]);
    return {used.begin(), used.end()};
  }
  Runs runs;
  const std::size_t first = std::size_t{row} * rows_.word_stride;
  std::size_t cell = rows_.words[first].base;
  for (std::uint32_t i = 0; i < rows_.word_stride; ++i) {
    for (std::uint64_t begins = rows_.words[first + i].begins; begins != 0; begins &= begins - 1) {
      runs.push_back({64 * i + static_cast<std::uint32_t>(std::countr_zero(begins)), rows_.cells[cell++]});
    }
  }
  return runs;
}

std::uint32_t RowStore::store(const Runs& runs) {
  return runs.size() <= KRAIT_SHORT_RUNS ? add_short(runs) : add_long(runs);
}

std::uint32_t RowStore::add_short(const Runs& runs) {
  krait_short_row& row = rows_.short_rows.emplace_back();
  std::ranges::fill(row.runs, krait_run{~0U, 0});
  std::ranges::copy(runs, row.runs);
  return static_cast<std::uint32_t>(rows_.short_rows.size() - 1) | KRAIT_ROW_SHORT;
}

std::uint32_t RowStore::add_long(const Runs& runs) {
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

bool RowStore::has(std::uint32_t row, const Runs& runs) const {
  if (row & KRAIT_ROW_SHORT) {
    return same_runs(used_runs(rows_.short_rows[row & ~KRAIT_ROW_SHORT]), runs);
  }
  return same_runs(this->runs(row), runs);
}

RowStore::Place& RowStore::free_place(std::uint32_t hash) {
  std::size_t i = hash & (places_.size() - 1);
  while (places_[i].row != ~0U) {
    i = (i + 1) & (places_.size() - 1);
  }
  return places_[i];
}

void RowStore::grow() {
  std::vector<Place> old(2 * places_.size());
  old.swap(places_);
  for (const Place& place : old) {
    if (place.row != ~0U) {
      free_place(place.hash) = place;
    }
  }
}

}  // namespace krait::compile
