// What differs between two policies in what they let through: by identities, hosts and ports, not by text. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/model/policy.h"

namespace krait::fleet {

// Ports that one identity may open to another, and could not before; or could, and may not.
struct Access {
  std::string from;
  std::string to;
  std::vector<model::SelectorRange> selectors;  // ascending, disjoint
  bool operator==(const Access&) const = default;
};

struct Difference {
  std::vector<Access> gained;
  std::vector<Access> lost;
  std::vector<std::string> new_identities;
  std::vector<std::string> gone_identities;
  std::uint32_t lease_before_s = 0;  // 0: none
  std::uint32_t lease_after_s = 0;
  bool preshared_keys_before = false;
  bool preshared_keys_after = false;
  std::size_t not_shown = 0;  // more pairs than kMaxShownPairs differ
};

inline constexpr std::size_t kMaxShownPairs = 10'000;

// Both are policies that were checked. Expiries are not looked at: what expires counts as allowed.
Difference difference(const model::Policy& before, const model::Policy& after);

// "tcp/5432, udp/53-54, icmp"
std::string ports_text(const std::vector<model::SelectorRange>& selectors);

// For people: a line for each pair, with the hosts that have the identities.
using HostsOf = std::function<std::vector<std::string>(const std::string& identity)>;
std::string difference_text(const Difference& difference, const HostsOf& hosts_of);

}  // namespace krait::fleet
