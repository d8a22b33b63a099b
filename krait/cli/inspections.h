// The commands that need the libraries of archives, captures, firewalls and the journal. They live in a program of
// their own, krait-inspect, which krait becomes for them: so every other command starts without those libraries.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"

namespace krait::cli {

class Output;

// What the flags of doctor and debug name.
struct InspectionFlags {
  std::string config;
  std::string socket;
};

struct TraceFlags {
  std::string config;
  std::string policy;              // empty: the one that the configuration names
  std::string direction = "auto";  // or ingress, egress
  std::string pcap;
};

using BundleAction = common::Result<void>(const InspectionFlags&, const std::string& file, Output&);

struct Inspections {
  std::function<common::Result<void>(const InspectionFlags&, Output&)> examine;
  std::function<BundleAction> bundle;  // into `file`; empty: one of a name that tells host and time
  std::function<common::Result<void>(const TraceFlags&, Output&)> trace;
};

// Becomes krait-inspect, which lies beside this program or in ../libexec/krait, with the words of this command line:
// returns only when that fails (not_found where it is not installed).
common::Result<void> become_inspector(const char* const* argv);

}  // namespace krait::cli
