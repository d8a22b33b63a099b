// One rule list, said to each of the filters in its own words: "source host to destination host, one port: allow", and
// nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/scale.h"

namespace krait::bench {

struct HostRule {
  std::uint32_t from = 0;  // host numbers
  std::uint32_t to = 0;
  bool tcp = false;  // else UDP
  std::uint16_t port = 0;
};

inline constexpr std::uint32_t kMinRules = 2;

// Random ones (the same every time) between up to 1,000 hosts. The last allows udp/5432 from the peer to the guarded
// host, the one before it tcp/5432: lists are searched to their end.
std::vector<HostRule> make_rules(std::uint32_t count);

// nft: a table "bench" whose chain "guard" at the input hook drops what no rule allows. Applied with `nft -f -`, also
// over an older version, in one transaction.
struct NftOptions {
  bool established_first = false;  // what conntrack knows is accepted before the list
  bool map = false;                // one verdict map instead of a list
  bool output_too = false;         // the same at the output hook
};
std::string nft_text(const std::vector<HostRule>& rules, const NftOptions& options);
std::string nft_rule(const HostRule& rule);     // as in the list
std::string nft_element(const HostRule& rule);  // key of the verdict map

// For iptables-restore.
std::string iptables_text(const std::vector<HostRule>& rules, bool established_first);
std::string iptables_rule(const HostRule& rule);
// The list in a set: for `ipset restore`, and the one rule for iptables-restore.
std::string ipset_text(const std::vector<HostRule>& rules);
std::string ipset_element(const HostRule& rule);
std::string iptables_set_text();

// krait: an identity for each host. As values, and as the files of the guarded host; `hosts` covers all rules.
Scale krait_scale(const std::vector<HostRule>& rules);
std::uint32_t hosts_of(const std::vector<HostRule>& rules);
std::string krait_host_text(std::uint32_t hosts, const std::string& policy_file);
std::string krait_policy_text(const std::vector<HostRule>& rules, std::uint32_t hosts);

}  // namespace krait::bench
