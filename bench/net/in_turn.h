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
  auto sandbox = Sandbox::enter();
  if (!sandbox) {
    return std::move(sandbox.error());
  }
  std::vector<Size> sizes;
  std::vector<Arena> arenas;
  for (const std::uint32_t rules : rule_counts) {
    auto arena = make_arena();
    if (!arena) {
      return std::move(arena.error());
    }
    arenas.push_back(std::move(*arena));
    sizes.push_back({.rules = rules});
    if (auto made = make(sizes.back(), arenas.back(), sandbox->folder()); !made) {
      return passed_on(made, fmt::format("{} rules", rules));
    }
  }
  run_on_cpu(1);
  for (int round = 0; round < rounds; ++round) {
    for (Size& size : sizes) {
      if (auto done = measure(size); !done) {
        return passed_on(done, fmt::format("{} rules", size.rules));
      }
    }
  }
  return sizes;
}

}  // namespace krait::bench
