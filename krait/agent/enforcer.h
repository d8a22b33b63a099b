// Keeps one interface as the files say: WireGuard and the data path, in the order in which nothing is ever open by
// mistake.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/agent/plan.h"
#include "krait/datapath/datapath.h"
#include "krait/wireguard/wireguard.h"

namespace krait::agent {

struct EnforcerOptions {
  std::string config_file;
  // Guard mode: the interface that something else manages. Only the data path is put on it, the key file is not read.
  std::optional<std::string> guarded_interface;
};

struct PeerState {
  std::string name;      // empty: a peer of the interface that the configuration does not have
  std::string identity;  // likewise
  wireguard::PeerStatus wireguard;
  std::string endpoint_name{};     // as the configuration has it; empty: an address or nothing
  std::string endpoint_failure{};  // why the name has no address; empty: it has one, or was not looked up
};

// What is in force, read from the kernel when asked for.
struct State {
  std::string interface;
  std::uint32_t interface_index = 0;
  bool managed = false;
  datapath::Attachment attachment = datapath::Attachment::none;
  std::uint64_t revision = 0;
  datapath::Counters counters{};
  std::optional<model::PublicKey> public_key;  // none: the interface is not WireGuard
  std::vector<PeerState> peers;
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

// One thread; every call blocks on the file system and the kernel only. Needs CAP_BPF and CAP_NET_ADMIN. The destructor
// leaves everything in force.
class Enforcer {
 public:
  // What the kernel objects need beside the plan.
  struct Prepared {
    std::optional<wireguard::PrivateKey> key;  // none in guard mode
    std::uint32_t interface_index = 0;
  };

  // Loads the files and puts them in force, adopting whatever an earlier agent left.
  static common::Result<Enforcer> start(EnforcerOptions options);

  // Reads the files again and switches to them without dropping a packet of what stays allowed. Unchanged files that
  // are still in force are neither parsed nor compiled, and nothing is touched: the revision stays. A wrong file
  // changes nothing. When a call to the kernel fails half-way the error says what is in force.
  common::Result<Applied> reload();

  // Opens up: removes the interface (managed) and everything of the data path.
  common::Result<void> remove();

  // Compiles the policy in force again: its expiries stand on the clock that was set.
  common::Result<void> clock_was_set();

  // Fits the interface's MTU to the underlay as it is now; after a change of a link or a route, and once a minute for
  // path MTUs, which nobody announces. Says whether it changed; last().changes.mtu_bytes is the MTU. Does nothing in
  // guard mode.
  common::Result<bool> fit_mtu();

  [[nodiscard]] common::Result<State> state() const;
  // Costs a system call for each rule.
  [[nodiscard]] common::Result<Rules> rules() const;
  [[nodiscard]] const Applied& last() const { return last_; }
  [[nodiscard]] const model::Policy& policy() const { return plan_.policy; }
  [[nodiscard]] const model::Mesh& mesh() const { return plan_.mesh; }
  [[nodiscard]] const std::string& interface() const { return interface_; }
  [[nodiscard]] const EnforcerOptions& options() const { return options_; }

 private:
  Enforcer(EnforcerOptions options, std::string interface, datapath::Datapath datapath)
      : options_(std::move(options)), interface_(std::move(interface)), datapath_(std::move(datapath)) {}

  [[nodiscard]] bool is_in_force() const;
  [[nodiscard]] bool managed() const { return !options_.guarded_interface; }
  common::Result<void> put_in_force(Plan plan, const Prepared& prepared);
  common::Result<wireguard::Changes> switch_over(const Plan& plan, const Prepared& prepared);
  // A data path that has room for the plan, ready but not attached; none: the open one has.
  common::Result<std::optional<datapath::Datapath>> make_room(const Plan& plan) const;
  // Switches the data path, or its successor, to the plan's snapshot. One that cannot be made ready
  // or switched leaves the former in force.
  common::Result<void> judge_by(const Plan& plan, std::optional<datapath::Datapath> successor,
                                std::uint32_t interface_index);

  EnforcerOptions options_;
  std::string interface_;
  datapath::Datapath datapath_;
  std::uint32_t interface_index_ = 0;  // attached to; 0: still to be attached
  Plan plan_;                          // in force, without its snapshot's image
  Applied last_;
};

// Removes what a former agent left for the interface of the files, as Enforcer::remove() does. In guard mode nothing
// but the data path; else the interface must have the configuration's key, so that a guarded one is not deleted by
// mistake. False: nothing was there.
common::Result<bool> remove_left_over(const EnforcerOptions& options);

}  // namespace krait::agent
