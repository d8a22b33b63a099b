// The checks: facts in, findings out. Pure. A check always has something to say, if only that all is well or why it
// could not look.
#pragma once

#include <string_view>
#include <utility>

#include "krait/doctor/facts.h"
#include "krait/doctor/finding.h"

namespace krait::doctor {

// A kernel's major and minor number, from its release.
std::pair<unsigned, unsigned> version_of(std::string_view release);

// Of the host (check_host.cc).
Findings check_kernel(const Facts& facts);
Findings check_wireguard(const Facts& facts);
Findings check_config(const Facts& facts);
Findings check_key_file(const Facts& facts);
Findings check_clock(const Facts& facts);
Findings check_pins(const Facts& facts);
Findings check_agent(const Facts& facts);
Findings check_capabilities(const Facts& facts);
Findings check_network(const Facts& facts);  // that the host has joined

// Of the interface (check_interface.cc).
Findings check_interface(const Facts& facts);
Findings check_port(const Facts& facts);
Findings check_programs(const Facts& facts);
Findings check_mtu(const Facts& facts);
Findings check_reverse_path(const Facts& facts);
Findings check_forwarding(const Facts& facts);

// Of addresses and routes (check_routes.cc).
Findings check_endpoints(const Facts& facts);
Findings check_addresses(const Facts& facts);
Findings check_routes(const Facts& facts);

// Of other people's rules (check_firewall.cc).
Findings check_firewall_port(const Facts& facts);
Findings check_firewall_input(const Facts& facts);
Findings check_firewall_forward(const Facts& facts);

// All of them, in the order in which they are printed.
Findings check_all(const Facts& facts);

}  // namespace krait::doctor
