// Facts as JSON, for the debug bundle.
#pragma once

#include "krait/agent/protocol.h"
#include "krait/doctor/facts.h"

namespace krait::doctor {

// Links, addresses, routes, routing rules, qdiscs.
agent::Json network_report(const NetworkFacts& network);
// The BPF programs on the interface: TCX and clsact filters, with ids and tags.
agent::Json programs_report(const InterfaceFacts& link);
// Kernel, clock, sysctls, capabilities.
agent::Json host_report(const Facts& facts);

}  // namespace krait::doctor
