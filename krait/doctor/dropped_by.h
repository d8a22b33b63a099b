// What becomes of one packet by the firewall's rules. Pure.
//
// Of what a rule may look at, this knows interfaces, addresses, protocol, destination port, ICMP type and the state of
// the connection; everything else is "unknown". A rule that would drop under an unknown condition is taken not to, one
// that would accept only counts when it names the packet's port or interface: so what is said to be dropped is dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/ip.h"
#include "krait/doctor/ruleset.h"

namespace krait::doctor {

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
