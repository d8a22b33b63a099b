// A host's nftables rules (iptables-nft's are among them), and what becomes of one packet by them. Pure.
//
// Of what a rule may look at, this knows interfaces, addresses, protocol, destination port, ICMP type and the state of
// the connection; everything else is "unknown". A rule that would drop under an unknown condition is taken not to, one
// that would accept only counts when it names the packet's port or interface: so what is said to be dropped is dropped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/ip.h"
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

// The first packet of a connection.
struct Packet {
  common::Family family = common::Family::v4;
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> port;  // its destination
  std::optional<std::uint8_t> icmp_type;
  std::optional<common::Ip> source;
  std::optional<common::Ip> destination;
  std::string in;  // the interfaces' names; empty: not known
  std::string out;
};

// The base chain that drops the packet on its way through `hook` and what comes before; none when it may pass.
const Chain* dropped_by(const Ruleset& ruleset, const Packet& packet, std::string_view hook);

}  // namespace krait::doctor
