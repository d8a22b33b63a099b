// What the checks look at, as plain values: gathered by gather.h, or made by hand in a test. An optional that is empty
// was not to be had (no root, or this kernel has no such thing); where the reason matters a text beside it says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/netlink/network.h"
#include "krait/datapath/survey.h"
#include "krait/doctor/ruleset.h"
#include "krait/model/known_time.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"

namespace krait::doctor {

struct KernelFacts {
  std::string release;  // as uname says: "6.1.0-38-amd64"
  bool is_realtime = false;
  bool has_bpf = true;
  bool has_btf = true;
  std::optional<bool> has_tcx;
  bool wireguard_loaded = false;     // or built in
  bool wireguard_available = false;  // as a module that is not loaded yet
};

struct ClockFacts {
  std::int64_t now_s = 0;  // Unix time
  bool synchronized = false;
  std::int64_t known_s = 0;  // the latest time that anything tells, at least now_s
  model::TimeSource source = model::TimeSource::clock;
  std::string file;  // that tells it
};

struct KeyFileFacts {
  bool exists = false;
  bool visible = true;  // false: its folder does not let the caller look
  unsigned mode = 0;    // permission bits
  std::uint32_t owner = 0;
};

struct PinsFacts {
  std::string directory;  // of the BPF file system
  bool exists = false;
  bool is_bpffs = false;
  std::optional<std::uint32_t> owner;
};

// What the agent noticed and could not repair.
struct Fault {
  std::string what;
  std::string hint;
};

// What the agent tells of the network that this host has joined.
struct JoinedFacts {
  std::string id;
  std::uint64_t hosts_revision = 0;
  std::uint64_t policy_revision = 0;
  std::int64_t lease_s = 0;      // 0: none
  std::int64_t confirmed_s = 0;  // Unix time; 0: never
  std::string refused;           // why what was offered last was not taken; empty: it was
};

struct AgentFacts {
  bool answers = false;
  std::string error;  // why not
  std::string socket;
  std::int64_t pid = 0;
  std::string version;
  std::string mode;   // "manage" or "guard"
  std::string stage;  // where its lifecycle stands (docs/lifecycle.md)
  std::vector<Fault> faults;
  std::string interface;
  std::string attachment;  // "tcx", "clsact" or "none"
  std::uint64_t revision = 0;
  std::optional<JoinedFacts> joined{};        // none: it goes by files
  std::uint32_t user = 0;                     // it runs as
  std::optional<std::uint64_t> capabilities;  // effective ones, bit by number
};

// Who has the listen port, by /proc/net/udp and udp6.
struct PortFacts {
  bool used = false;
  bool by_kernel = false;  // a socket without a process, as WireGuard's; only root can tell
  std::string process;     // its name, where it could be found
};

struct InterfaceFacts {
  std::optional<netlink::Link> link;         // none: it does not exist
  std::optional<std::uint16_t> listen_port;  // as the kernel's WireGuard has it
  std::vector<netlink::Filter> filters;
  // In the order in which they run; empty where the kernel has no TCX or tcx_error says why not.
  std::vector<datapath::AttachedProgram> tcx_ingress;
  std::vector<datapath::AttachedProgram> tcx_egress;
  std::string tcx_error;
  bool threaded = false;  // its NAPI polls in threads
  bool foreign = false;   // a WireGuard interface that krait neither made nor guards; only root can tell
  std::string manager;    // "systemd-networkd" or "NetworkManager" where one of them manages it
};

struct SysctlFacts {
  std::optional<int> rp_filter_all;
  std::optional<int> rp_filter_interface;
  std::optional<int> forward_v4;  // of the interface
  std::optional<int> forward_v6;
};

// The way to a peer's endpoint.
struct EndpointFacts {
  std::string peer;
  common::Endpoint endpoint;
  netlink::Way way;
};

struct NetworkFacts {
  std::vector<netlink::Link> links;
  std::vector<netlink::Address> addresses;
  std::vector<netlink::Route> routes;
  std::vector<netlink::Rule> rules;
  std::vector<netlink::Qdisc> qdiscs;
  std::vector<EndpointFacts> endpoints;
};

struct FirewallFacts {
  std::optional<Ruleset> ruleset;
  std::string error;                  // why there is none
  std::optional<bool> legacy_tables;  // iptables-legacy has tables; empty: only root may look
};

struct ConfigFacts {
  std::string file;
  bool joined = false;  // the file is that of a host that has joined a network
  std::optional<model::Mesh> mesh;
  std::optional<model::Policy> policy;
  std::string error;    // what is wrong with the files; empty when nothing is
  bool hidden = false;  // it is that the caller may not read them
};

struct Facts {
  bool root = false;               // the caller
  std::uint64_t capabilities = 0;  // the caller's effective ones
  std::string interface;           // by the agent, else by the configuration
  ConfigFacts config;
  KernelFacts kernel;
  ClockFacts clock;
  KeyFileFacts key_file;
  PinsFacts pins;
  AgentFacts agent;
  PortFacts port;
  InterfaceFacts link;
  SysctlFacts sysctls;
  NetworkFacts network;
  FirewallFacts firewall;
};

}  // namespace krait::doctor
