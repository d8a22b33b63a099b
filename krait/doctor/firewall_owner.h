// Who keeps a firewall's chain, and what to type so that it lets krait's packets through. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "krait/doctor/ruleset.h"

namespace krait::doctor {

// Who writes a table: each has a command of its own, and would overwrite a rule that others put there.
enum class Owner : std::uint8_t { nft, iptables, firewalld, ufw, docker };

Owner owner_of(const Ruleset& ruleset, const Chain& chain);

// "ufw (chain INPUT of table ip filter)".
std::string chain_text(Owner owner, const Chain& chain);

// What is to be let through.
enum class Purpose : std::uint8_t {
  port,     // packets for a UDP port of this host
  input,    // what comes to this host out of an interface
  forward,  // what is forwarded out of an interface and into it
};

struct Wanted {
  std::uint16_t port = 0;  // for Purpose::port
  std::string interface;   // for the other two
};

// The command, or where none will do, what to do.
std::string firewall_hint(Owner owner, const Chain& chain, Purpose purpose, const Wanted& wanted);

}  // namespace krait::doctor
