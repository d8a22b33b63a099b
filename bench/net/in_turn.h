// Measuring several sizes in turn, round after round, so that a busy minute weighs on all of them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/net/arena.h"
#include "bench/net/namespace.h"
#include "bench/net/sockets.h"
#include "common/result.h"

namespace krait::bench {

// A Size{.rules = N} for each N, on two hosts of its own: make(size, arena, bpffs) once, then measure(size) in each
// round, on CPU 1. Takes the process into namespaces of its own.
template <typename Size, typename Make, typename Measure>
common::Result<std::vector<Size>> measure_in_turn(std::span<const std::uint32_t> rule_counts, int rounds,
                                                  const Make& make, const Measure& measure) {
  KRAIT_TRY(auto sandbox, Sandbox::enter());
  std::vector<Size> sizes;
  std::vector<Arena> arenas;
  for (const std::uint32_t rules : rule_counts) {
    KRAIT_TRY(auto arena, make_arena());
    arenas.push_back(std::move(arena));
    sizes.push_back({.rules = rules});
    KRAIT_CHECK(make(sizes.back(), arenas.back(), sandbox.folder()), fmt::format("{} rules", rules));
  }
  run_on_cpu(1);
  for (int round = 0; round < rounds; ++round) {
    for (Size& size : sizes) {
      KRAIT_CHECK(measure(size), fmt::format("{} rules", size.rules));
    }
  }
  return sizes;
}

}  // namespace krait::bench
