// An arena whose guarded host filters by one of the tools that are compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/net/arena.h"
#include "bench/net/krait_filter.h"
#include "bench/net/rules.h"

namespace krait::bench {

enum class Tool : std::uint8_t {
  none,
  krait,
  nft_list,
  nft_map,
  iptables,
  ipset,
  nft_established,       // the list behind "ct state established accept"
  iptables_established,  // the same
};
const char* name_of(Tool tool);

struct FilteredArena {
  Tool tool = Tool::none;
  Arena arena;
  std::optional<KraitFilter> krait{};
  double load_s = 0;       // krait: with compiling
  bool timed_out = false;  // nothing is loaded
};

// Fails when the tool refuses the rules; one that needs longer than `timeout_s` is no failure.
common::Result<FilteredArena> make_filtered_arena(Tool tool, const std::vector<HostRule>& rules,
                                                  const std::string& bpffs, double timeout_s);

}  // namespace krait::bench
