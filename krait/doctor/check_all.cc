#include "krait/doctor/checks.h"

namespace krait::doctor {

Findings check_all(const Facts& facts) {
  Findings all;
  for (const auto& check : {check_kernel,        check_wireguard,      check_config,
                            check_key_file,      check_clock,          check_pins,
                            check_agent,         check_capabilities,   check_network,
                            check_interface,     check_port,           check_programs,
                            check_mtu,           check_reverse_path,   check_forwarding,
                            check_endpoints,     check_addresses,      check_routes,
                            check_firewall_port, check_firewall_input, check_firewall_forward}) {
    const Findings found = check(facts);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace krait::doctor
