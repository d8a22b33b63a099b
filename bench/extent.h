// How much of a benchmark is run: all of it, or its smallest size once, as a test that it works at all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace krait::bench {

struct Extent {
  bool smallest = false;
  std::string folder;  // for tables; empty: none are written

  [[nodiscard]] int rounds(int all) const { return smallest ? 1 : all; }
  template <typename Range>
  [[nodiscard]] auto sizes(const Range& all) const {
    const std::span<const std::remove_cvref_t<decltype(*std::begin(all))>> whole(all);
    return smallest ? whole.first(std::min<std::size_t>(1, whole.size())) : whole;
  }
};

// The one argument of a benchmark: --smallest, or the folder.
inline Extent extent_of(int argc, char** argv) {
  const std::string_view argument = argc > 1 ? argv[1] : "";
  return argument == "--smallest" ? Extent{.smallest = true, .folder = ""}
                                  : Extent{.smallest = false, .folder = std::string(argument)};
}

}  // namespace krait::bench
