#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "common/calendar.h"
#include "krait/doctor/checks.h"
#include "krait/plan/clock_keeper.h"

namespace krait::doctor {

namespace {

constexpr std::pair<unsigned, unsigned> kMinKernel{5, 11};  // ARCHITECTURE.md

// include/uapi/linux/capability.h
constexpr unsigned kNetAdmin = 12;
constexpr unsigned kSysAdmin = 21;
constexpr unsigned kPerfmon = 38;
constexpr unsigned kBpf = 39;

bool has(std::uint64_t capabilities, unsigned bit) { return (capabilities >> bit & 1U) != 0; }

// What of krait's capabilities is not there, as a list; empty when all are. CAP_SYS_ADMIN stands for the younger ones.
std::string missing_capabilities(std::uint64_t capabilities) {
  std::string missing;
  const auto want = [&](unsigned bit, const char* name, bool also) {
    if (!has(capabilities, bit) && !also) {
      missing += (missing.empty() ? "" : ", ") + std::string(name);
    }
  };
  want(kNetAdmin, "CAP_NET_ADMIN", false);
  want(kBpf, "CAP_BPF", has(capabilities, kSysAdmin));
  want(kPerfmon, "CAP_PERFMON", has(capabilities, kSysAdmin));
  return missing;
}

std::string day(std::int64_t unix_s) { return common::utc_text(unix_s, "%Y-%m-%d %H:%M UTC"); }

std::string earlier_event(const ClockFacts& clock) {
  switch (clock.source) {
    case model::TimeSource::build:
      return "this krait was made";
    case model::TimeSource::file:
      return clock.file + " was changed";
    case model::TimeSource::earlier:
    case model::TimeSource::clock:
      break;
  }
  return "it was already";
}

bool some_rule_expires(const Facts& facts) {
  if (facts.config.policy) {
    for (const model::Rule& rule : facts.config.policy->rules) {
      if (rule.expires) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

std::pair<unsigned, unsigned> version_of(std::string_view release) {
  std::pair<unsigned, unsigned> version{};
  const char* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.first);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, version.second);
  }
  return version;
}

Findings check_kernel(const Facts& facts) {
  const KernelFacts& kernel = facts.kernel;
  if (version_of(kernel.release) < kMinKernel) {
    return {{"kernel", Grade::problem,
             fmt::format("this is Linux {}; krait needs {}.{} or newer", kernel.release, kMinKernel.first,
                         kMinKernel.second),
             "boot a newer kernel"}};
  }
  if (kernel.is_realtime) {
    return {{"kernel", Grade::problem,
             fmt::format("Linux {} is a real-time kernel (PREEMPT_RT), where packets interrupt each other while they "
                         "are judged; the agent does not start on it",
                         kernel.release),
             "boot a kernel without PREEMPT_RT"}};
  }
  if (!kernel.has_bpf) {
    return {{"kernel", Grade::problem, fmt::format("Linux {} is built without BPF", kernel.release),
             "boot a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS"}};
  }
  if (!kernel.has_btf) {
    return {{"kernel", Grade::problem,
             fmt::format("Linux {} does not describe its types (BTF), and krait's programs need that", kernel.release),
             "boot a kernel with CONFIG_DEBUG_INFO_BTF (every Debian kernel has it); sysfs has to be mounted"}};
  }
  const char* tcx = !kernel.has_tcx ? "" : *kernel.has_tcx ? ", with TCX" : ", without TCX (clsact filters do)";
  return {{"kernel", Grade::ok, fmt::format("Linux {}, with BPF{}", kernel.release, tcx), ""}};
}

Findings check_wireguard(const Facts& facts) {
  if (facts.kernel.wireguard_loaded) {
    return {{"wireguard", Grade::ok, "the kernel has WireGuard", ""}};
  }
  if (facts.kernel.wireguard_available) {
    return {{"wireguard", Grade::ok, "WireGuard is a module that the kernel loads when krait asks for it", ""}};
  }
  if (facts.agent.mode == "guard") {
    return {{"wireguard", Grade::ok, "the kernel has no WireGuard, and krait only guards an interface", ""}};
  }
  return {{"wireguard", Grade::problem, "this kernel has no WireGuard, neither built in nor as a module",
           "boot a kernel with CONFIG_WIREGUARD (every Debian kernel has it)"}};
}

Findings check_config(const Facts& facts) {
  if (facts.config.hidden) {
    return {{"configuration", Grade::skipped, facts.config.error, "run krait doctor as root"}};
  }
  if (!facts.config.error.empty()) {
    return {{"configuration", Grade::problem, facts.config.error,
             facts.config.joined ? "krait check; krait join once more makes it anew"
                                 : fmt::format("krait check {}", facts.config.file)}};
  }
  return {{"configuration", Grade::ok,
           facts.config.joined ? fmt::format("{} and the state that administrators signed are valid", facts.config.file)
                               : fmt::format("{} and the policy are valid", facts.config.file),
           ""}};
}

Findings check_key_file(const Facts& facts) {
  if (!facts.config.mesh) {
    return {{"key file", Grade::skipped, "the configuration does not say where it is", ""}};
  }
  const std::string& file = facts.config.mesh->host.private_key_file;
  const KeyFileFacts& key = facts.key_file;
  if (facts.agent.mode == "guard") {
    return {{"key file", Grade::ok, "not needed: krait only guards the interface", ""}};
  }
  if (const std::string& credential = facts.config.mesh->host.private_key_credential; !credential.empty()) {
    return {{"key file", facts.agent.answers ? Grade::ok : Grade::skipped,
             fmt::format("the key is the service's credential {}{}", credential,
                         facts.agent.answers ? "" : ", which only the service gets to see"),
             ""}};
  }
  if (!key.visible) {
    return {{"key file", Grade::skipped, fmt::format("only root may look at {}", file), "run krait doctor as root"}};
  }
  if (!key.exists) {
    return {{"key file", Grade::problem, fmt::format("{} does not exist", file), fmt::format("krait keygen {}", file)}};
  }
  if ((key.mode & 077U) != 0) {
    return {{"key file", Grade::problem,
             fmt::format("{} has mode {:04o}: others may get at it, and the agent refuses it", file, key.mode),
             fmt::format("chmod 600 {}", file)}};
  }
  if (facts.agent.answers && facts.agent.user != 0 && key.owner != facts.agent.user) {
    return {{"key file", Grade::problem,
             fmt::format("{} belongs to user {}, and the agent, which runs as user {}, cannot read it", file, key.owner,
                         facts.agent.user),
             fmt::format("chown -h {} {}", facts.agent.user, file)}};
  }
  return {{"key file", Grade::ok, fmt::format("{} has mode {:04o}", file, key.mode), ""}};
}

Findings check_clock(const Facts& facts) {
  const ClockFacts& clock = facts.clock;
  const char* hint = "set the clock and keep it by NTP: timedatectl set-ntp true";
  // A file may have been made on another host; an hour is beyond what clocks that are kept differ.
  if (clock.known_s > clock.now_s + 3600) {
    return {{"clock", Grade::problem,
             fmt::format("the clock says {}, but {} at {}; rules end as if it were no earlier", day(clock.now_s),
                         earlier_event(clock), day(clock.known_s)),
             clock.source == model::TimeSource::earlier
                 ? fmt::format("{}; if it is right: rm {} && krait reload", hint, plan::kTimeFile)
                 : hint}};
  }
  if (!clock.synchronized) {
    return {{"clock", Grade::warning,
             some_rule_expires(facts)
                 ? "nothing keeps the clock right, and the policy has rules that expire"
                 : "nothing keeps the clock right; peers refuse the handshakes of a host whose clock went back",
             hint}};
  }
  return {{"clock", Grade::ok, fmt::format("{}, kept by NTP", day(clock.now_s)), ""}};
}

Findings check_pins(const Facts& facts) {
  const PinsFacts& pins = facts.pins;
  if (!pins.exists || !pins.is_bpffs) {
    if (!facts.agent.answers) {
      return {{"bpffs", Grade::ok, fmt::format("{} is mounted when the agent starts", pins.directory), ""}};
    }
    return {{"bpffs", Grade::problem,
             fmt::format("no BPF file system is on {}: the next agent will not find what is in force", pins.directory),
             "restart the agent"}};
  }
  if (pins.owner && facts.agent.answers && *pins.owner != facts.agent.user && facts.agent.user != 0) {
    return {{"bpffs", Grade::problem,
             fmt::format("{} belongs to user {}, but the agent runs as user {}", pins.directory, *pins.owner,
                         facts.agent.user),
             "systemctl restart krait-agent; without systemd: krait-agent --prepare USER, the agent's user"}};
  }
  return {{"bpffs", Grade::ok, fmt::format("mounted on {}", pins.directory), ""}};
}

Findings check_agent(const Facts& facts) {
  const AgentFacts& agent = facts.agent;
  if (!agent.answers) {
    return {
        {"agent", Grade::problem, agent.error, "systemctl start krait-agent, or krait up; what was in force stays so"}};
  }
  const std::string what = fmt::format("krait-agent {} (pid {}) {} {}", agent.version, agent.pid,
                                       agent.mode == "guard" ? "guards" : "manages", agent.interface);
  if (agent.revision == 0) {
    return {{"agent", Grade::problem, what + ", but no policy is in force: everything is denied", "krait reload"}};
  }
  if (!agent.faults.empty()) {
    Findings findings;
    for (const Fault& fault : agent.faults) {
      findings.push_back({"agent", Grade::problem, fault.what, fault.hint});
    }
    return findings;
  }
  if (agent.stage != "enforcing") {
    return {{"agent", Grade::problem, fmt::format("{}, but its stage is \"{}\"", what, agent.stage),
             "read the agent's log: journalctl -u krait-agent"}};
  }
  return {{"agent", Grade::ok, fmt::format("{}, policy revision {}", what, agent.revision), ""}};
}

Findings check_capabilities(const Facts& facts) {
  if (!facts.agent.answers) {
    const std::string missing = missing_capabilities(facts.capabilities);
    return {{"capabilities", Grade::skipped,
             missing.empty() ? "no agent runs; the caller has what one needs"
                             : fmt::format("no agent runs; the caller could not start one: it lacks {}", missing),
             ""}};
  }
  if (!facts.agent.capabilities) {
    return {{"capabilities", Grade::skipped, "the agent's are not to be seen from here", "run krait doctor as root"}};
  }
  const std::string missing = missing_capabilities(*facts.agent.capabilities);
  if (!missing.empty()) {
    return {{"capabilities", Grade::problem, fmt::format("the agent lacks {}", missing),
             "give them in the unit: AmbientCapabilities=CAP_NET_ADMIN CAP_BPF CAP_PERFMON"}};
  }
  return {{"capabilities", Grade::ok, "the agent has what it needs", ""}};
}

// The coordinator confirms four times in a lease.
Findings check_network(const Facts& facts) {
  if (!facts.config.joined && !facts.agent.joined) {
    return {{"network", Grade::ok, "this host has joined none: it goes by its files", ""}};
  }
  if (!facts.agent.joined) {
    return {{"network", Grade::skipped,
             facts.agent.answers ? "the agent still goes by the files of before" : "only the agent tells of it",
             facts.agent.answers ? "krait reload" : ""}};
  }
  const JoinedFacts& joined = *facts.agent.joined;
  if (!joined.refused.empty()) {
    return {{"network", Grade::problem, "what krait-link handed over last is refused: " + joined.refused,
             "journalctl -u krait-agent; docs/signed_state.md says what is refused"}};
  }
  const std::string what = fmt::format("hosts {}, policy {}", joined.hosts_revision, joined.policy_revision);
  const std::int64_t silent_s = facts.clock.now_s - joined.confirmed_s;
  if (joined.lease_s != 0 && silent_s >= joined.lease_s) {
    return {{"network", Grade::problem,
             fmt::format(
                 "{}: nobody has confirmed them for {} s, and their lease of {} s has ended: only rules that outlast "
                 "it hold",
                 what, silent_s, joined.lease_s),
             "systemctl status krait-link: it says whether it reaches the coordinator"}};
  }
  if (joined.lease_s != 0 && silent_s > joined.lease_s / 2) {
    return {{"network", Grade::warning,
             fmt::format("{}: nobody has confirmed them for {} s of a lease of {} s", what, silent_s, joined.lease_s),
             "systemctl status krait-link: it says whether it reaches the coordinator"}};
  }
  return {{"network", Grade::ok,
           joined.lease_s == 0 ? what + ", without a lease" : fmt::format("{}, confirmed {} s ago", what, silent_s),
           ""}};
}

}  // namespace krait::doctor
