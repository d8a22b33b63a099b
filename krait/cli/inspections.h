// The commands that need a library of the kernel's or of cryptography, and those of archives, captures, firewalls and
// the journal. They live in a program of their own, krait-inspect, which krait becomes for them: so every other command
// starts without those libraries.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/cli/command.h"
#include "common/result.h"

namespace krait::cli {

using common::cli::Output;

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

struct ExplainFlags {
  std::string policy = "/etc/krait/policy.toml";
  std::string from;
  std::string to;
  std::string protocol;
  std::optional<std::uint32_t> port;
  std::optional<std::string> type;
};

struct EventsFlags {
  std::string socket;
  bool follow = false;
};

struct DownFlags {
  std::string config;
  std::string interface;  // that is only guarded; empty: the one that the configuration names
  std::string socket;
  bool keep_enforcing = false;
};

struct KeygenFlags {
  std::string file = "/var/lib/krait/host.key";
  bool only_public = false;
};

struct JoinFlags {
  std::string token;
  std::string name;         // empty, as the next two: krait.toml's, where the host goes by one; else the machine's
  std::string interface;    // else wg0
  std::string listen_port;  // else 51820
  std::vector<std::string> endpoints{};
  bool behind_nat = false;
  bool no_start = false;
};

struct LeaveFlags {
  bool no_stop = false;
};

using BundleAction = common::Result<void>(const InspectionFlags&, const std::string& file, Output&);

struct Inspections {
  std::function<common::Result<void>(const InspectionFlags&, Output&)> examine;
  std::function<BundleAction> bundle;  // into `file`; empty: one of a name that tells host and time
  std::function<common::Result<void>(const TraceFlags&, Output&)> trace;
  std::function<common::Result<void>(const ExplainFlags&, Output&)> explain;
  std::function<common::Result<void>(const EventsFlags&, Output&)> events;
  std::function<common::Result<void>(const DownFlags&, Output&)> down_without_agent;  // for root
  std::function<common::Result<void>(const KeygenFlags&, Output&)> keygen;
  std::function<common::Result<void>(const std::string& config, Output&)> next_key;
  std::function<common::Result<void>(const std::string& joined_file, Output&)> check_joined;
  std::function<common::Result<void>(const JoinFlags&, Output&)> join;
  std::function<common::Result<void>(const LeaveFlags&, Output&)> leave;
};

// Becomes krait-inspect, which lies beside this program or in ../libexec/krait, with the words of this command line:
// returns only when that fails (not_found where it is not installed). To be called before anything is printed or done
// that must not be done twice.
common::Result<void> become_inspector(const char* const* argv);
// The same with krait-join, for `krait join` and `krait leave`.
common::Result<void> become_joiner(const char* const* argv);
// The same with krait-coordinator; where that fails, says why and gives the exit code.
int become_administrator(const char* const* argv);

}  // namespace krait::cli
