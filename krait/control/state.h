// What an agent tells of itself: plain values, as the control socket and the metrics page show them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/abi/maps.h"
#include "krait/datapath/state.h"
#include "krait/model/known_time.h"
#include "krait/wireguard/state.h"

namespace krait::control {

// Where an interface stands: docs/lifecycle.md.
enum class Stage : std::uint8_t {
  absent,     // there is no interface
  attached,   // krait's programs and the guard are on it, everything is denied
  enforcing,  // the policy decides
};

std::string_view stage_name(Stage stage);

struct PeerState {
  std::string name;      // empty: a peer of the interface that the configuration does not have
  std::string identity;  // likewise
  wireguard::PeerStatus wireguard;
  bool next_key = false;           // WireGuard's peer of the key that this one announced
  std::string endpoint_name{};     // as the configuration has it; empty: an address or nothing
  std::string endpoint_failure{};  // why the name has no address; empty: it has one, or was not looked up
};

// What is not as it should be and was not mended.
struct Fault {
  std::string what;
  std::string hint;

  [[nodiscard]] std::string text() const { return hint.empty() ? what : what + "; " + hint; }
  bool operator==(const Fault&) const = default;
};

// Of a host that has joined a network: what it took last.
struct NetworkState {
  std::string id{};  // the network's, in 43 characters
  std::uint64_t hosts_revision = 0;
  std::uint64_t policy_revision = 0;
  std::uint64_t administrators = 0;                 // version of their list
  std::uint32_t lease_s = 0;                        // 0: none
  bool preshared_keys = false;                      // each pair of hosts has one
  std::int64_t confirmed_s = 0;                     // Unix time; 0: never
  std::optional<model::PublicKey> announced_key{};  // that this host may go over to: its peers know it
  std::string refused{};                            // why what was offered last was not taken; empty: it was
};

// What is in force, read from the kernel when asked for.
struct State {
  std::string interface;
  std::uint32_t interface_index = 0;
  bool managed = false;
  Stage stage = Stage::absent;
  std::vector<Fault> faults;
  model::KnownTime time;
  datapath::Attachment attachment = datapath::Attachment::none;
  std::uint64_t revision = 0;
  datapath::Counters counters{};
  std::optional<model::PublicKey> public_key;  // none: the interface is not WireGuard
  std::vector<PeerState> peers;
  std::optional<NetworkState> network{};  // none: it goes by files
};

// What a reload did.
struct Applied {
  std::uint64_t revision = 0;
  std::size_t rules = 0;
  std::size_t identities = 0;
  std::size_t peers = 0;  // configured
  wireguard::Changes changes;
  std::vector<common::Diagnostic> warnings;
};

struct RuleState {
  std::uint32_t number = 0;                   // of its record (krait_rule_record)
  krait_count count{};                        // packets that it decided
  std::optional<std::uint64_t> expires_in_s;  // 0: it has expired
};

struct Rules {
  std::string interface;
  std::uint64_t revision = 0;
  std::vector<RuleState> of_rule;  // like Policy::rules
};

}  // namespace krait::control
