// nftables rules (iptables-nft's are among them) as libnftables writes them. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace krait::doctor {

using common::Json;

struct Chain {
  std::string family;  // "ip", "ip6", "inet", ...
  std::string table;
  std::string name;
  std::string type;         // of a base chain: "filter", "nat", "route"
  std::string hook;         // of a base chain: "input", ...; else empty
  bool drops = false;       // its policy
  std::vector<Json> rules;  // the expressions of each, as libnftables writes them
};

using ChainName = std::tuple<std::string, std::string, std::string>;  // family, table, name

struct Ruleset {
  std::map<ChainName, Chain> chains;
  std::map<ChainName, Json> sets;  // the elements of each named set
};

// Reads the JSON of `nft -j list ruleset`. Fails with invalid_input when it is none.
common::Result<Ruleset> parse_ruleset(std::string_view json);

}  // namespace krait::doctor
