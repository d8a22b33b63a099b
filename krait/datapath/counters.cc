#include "krait/datapath/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>
#include <vector>

namespace krait::datapath {

namespace {

void add(krait_count& to, const krait_count& from) {
  to.packets += from.packets;
  to.bytes += from.bytes;
}

// Reads one element of a per-CPU array: a value for each possible CPU.
template <typename T>
common::Result<void> read_element(int fd, std::uint32_t index, std::vector<T>& by_cpu) {
  static_assert(sizeof(T) % 8 == 0, "the kernel rounds a per-CPU value up to 8 bytes");
  if (bpf_map_lookup_elem(fd, &index, by_cpu.data()) != 0) {
    return common::Error::from_errno(errno, "read a counter");
  }
  return {};
}

template <typename T>
common::Result<void> write_element(int fd, std::uint32_t index, const std::vector<T>& by_cpu) {
  if (bpf_map_update_elem(fd, &index, by_cpu.data(), BPF_ANY) != 0) {
    return common::Error::from_errno(errno, "write a counter");
  }
  return {};
}

template <typename T>
common::Result<std::vector<T>> buffer_for_cpus() {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) {
    return common::Error::from_errno(-cpus, "count the CPUs");
  }
  return std::vector<T>(static_cast<std::size_t>(cpus));
}

using PairKey = std::tuple<std::uint32_t, std::uint32_t, bool>;

void add_slot(std::map<PairKey, PairCount>& pairs, const krait_pair_slot& slot, bool overflow) {
  PairCount& pair = pairs[{slot.source_tag, slot.destination_tag, overflow}];
  pair.source_tag = slot.source_tag;
  pair.destination_tag = slot.destination_tag;
  pair.overflow = overflow;
  for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
    for (int verdict = 0; verdict < KRAIT_VERDICTS; ++verdict) {
      add(pair.count[direction][verdict], slot.count[direction][verdict]);
    }
  }
}

bool counted(const krait_pair_slot& slot) {
  std::uint64_t packets = 0;
  for (const auto& direction : slot.count) {
    for (const krait_count& count : direction) {
      packets += count.packets;
    }
  }
  return packets != 0;
}

}  // namespace

common::Result<Counters> read_counters(int pairs_fd, std::uint32_t pair_buckets, int drops_fd) {
  KRAIT_TRY(auto buckets, buffer_for_cpus<krait_pair_bucket>());
  KRAIT_TRY(auto drops, buffer_for_cpus<krait_drop_count>());
  std::map<PairKey, PairCount> pairs;
  for (std::uint32_t i = 0; i < pair_buckets; ++i) {
    KRAIT_CHECK(read_element(pairs_fd, i, buckets));
    for (const krait_pair_bucket& bucket : buckets) {
      for (const krait_pair_slot& slot : bucket.slots) {
        if (counted(slot)) {
          add_slot(pairs, slot, i == 0);
        }
      }
    }
  }
  Counters counters{};
  for (const auto& [key, pair] : pairs) {
    counters.pairs.push_back(pair);
  }
  for (std::uint32_t reason = 0; reason < KRAIT_REASON_COUNT; ++reason) {
    KRAIT_CHECK(read_element(drops_fd, reason, drops));
    for (const krait_drop_count& drop : drops) {
      for (int direction = 0; direction < KRAIT_DIRECTIONS; ++direction) {
        add(counters.drops[reason].by_direction[direction], drop.by_direction[direction]);
      }
    }
  }
  return counters;
}

common::Result<std::vector<krait_count>> read_rule_counts(int rules_fd, std::uint32_t rules) {
  KRAIT_TRY(auto by_cpu, buffer_for_cpus<krait_count>());
  std::vector<krait_count> counts(rules);
  for (std::uint32_t rule = 0; rule < rules; ++rule) {
    KRAIT_CHECK(read_element(rules_fd, rule, by_cpu));
    for (const krait_count& count : by_cpu) {
      add(counts[rule], count);
    }
  }
  return counts;
}

common::Result<void> clear_rule_count(int rules_fd, std::uint32_t rule) {
  KRAIT_TRY(auto by_cpu, buffer_for_cpus<krait_count>());
  KRAIT_CHECK(read_element(rules_fd, rule, by_cpu));
  const auto counted = [](const krait_count& count) { return count.packets != 0; };
  if (std::ranges::none_of(by_cpu, counted)) {
    return {};
  }
  std::ranges::fill(by_cpu, krait_count{});
  return write_element(rules_fd, rule, by_cpu);
}

common::Result<void> copy_rule_counts(int from_fd, int to_fd, std::uint32_t rules) {
  KRAIT_TRY(auto by_cpu, buffer_for_cpus<krait_count>());
  for (std::uint32_t rule = 0; rule < rules; ++rule) {
    KRAIT_CHECK(read_element(from_fd, rule, by_cpu));
    KRAIT_CHECK(write_element(to_fd, rule, by_cpu));
  }
  return {};
}

}  // namespace krait::datapath
