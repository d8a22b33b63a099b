// Facts as JSON, for the debug bundle.
#pragma once

#include "krait/control/protocol.h"
#include "krait/doctor/facts.h"

namespace krait::doctor {

// Links, addresses, routes, routing rules, qdiscs.
control::Json network_report(const NetworkFacts& network);
// The BPF programs on the interface: TCX and clsact filters, with ids and tags.
control::Json programs_report(const InterfaceFacts& link);
// Kernel, clock, sysctls, capabilities.
control::Json host_report(const Facts& facts);

}  // namespace krait::doctor
