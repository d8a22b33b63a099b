// Elements of a compiled snapshot, found the way the BPF program finds them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "krait/abi/snapshot.h"

namespace krait::compile {

// The image must outlive it.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> image) : image_(image) {
    std::memcpy(&header_, image.data(), sizeof(header_));
  }

  [[nodiscard]] const krait_snapshot_header& header() const { return header_; }

  // Copied out: the image has no alignment to rely on.
  template <typename T>
  [[nodiscard]] T at(std::uint32_t page, std::size_t index) const {
    T element;
    std::memcpy(&element, image_.data() + std::size_t{page} * KRAIT_PAGE_BYTES + index * sizeof(T), sizeof(T));
    return element;
  }

  // The row of two identities (indexes into Policy::identities).
  [[nodiscard]] std::uint32_t row_of(std::uint32_t from, std::uint32_t to) const {
    const auto source_class = at<krait_slot>(header_.slot_page, from).source_class;
    const auto destination_class = at<krait_slot>(header_.slot_page, to).destination_class;
    return at<std::uint32_t>(header_.matrix_page,
                             std::size_t{source_class} * header_.matrix_stride + destination_class);
  }
  [[nodiscard]] std::uint32_t class_of(std::uint32_t selector) const {
    return at<std::uint32_t>(header_.port_class_page, selector);
  }
  // Of a row that is not short: a word, and which of the cells is that of a port class.
  [[nodiscard]] krait_word word_of(std::uint32_t row, std::uint32_t word) const {
    return at<krait_word>(header_.word_page, std::size_t{row} * header_.word_stride + word);
  }
  [[nodiscard]] std::size_t cell_number(std::uint32_t row, std::uint32_t port_class) const {
    const krait_word word = word_of(row, port_class / 64);
    const std::uint64_t up_to_class = word.begins & (~0ULL >> (63 - port_class % 64));
    return word.base + static_cast<std::size_t>(std::popcount(up_to_class)) - 1;
  }
  [[nodiscard]] std::uint32_t cell_of(std::uint32_t row, std::uint32_t port_class) const {
    if ((row & KRAIT_ROW_SHORT) == 0) {
      return at<std::uint32_t>(header_.cell_page, cell_number(row, port_class));
    }
    const auto short_row = at<krait_short_row>(header_.short_row_page, row & ~KRAIT_ROW_SHORT);
    std::uint32_t cell = 0;
    for (const krait_run& run : short_row.runs) {
      cell = run.first_class <= port_class ? run.cell : cell;
    }
    return cell;
  }
  // What the cell is at a moment of CLOCK_BOOTTIME.
  [[nodiscard]] std::uint32_t at_moment(std::uint32_t cell, std::uint64_t boot_ns) const {
    while (cell & KRAIT_CELL_TIMED) {
      const auto moment = at<krait_moment>(header_.moment_page, cell & KRAIT_CELL_RULE);
      cell = boot_ns < moment.boot_ns ? moment.before : moment.after;
    }
    return cell;
  }

 private:
  std::span<const std::byte> image_;
  krait_snapshot_header header_{};
};

}  // namespace krait::compile
