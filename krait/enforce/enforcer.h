// Keeps one interface as the files say: WireGuard and the data path. What has to be done, and in which order, is
// decided in steps.h; this is who asks for it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/event/lock_file.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/enforce/faults.h"
#include "krait/enforce/held.h"
#include "krait/enforce/observe.h"
#include "krait/enforce/work.h"
#include "krait/plan/clock_keeper.h"
#include "krait/plan/joined.h"
#include "krait/plan/plan.h"

namespace krait::enforce {

struct EnforcerOptions {
  std::string config_file;
  std::string joined_file{};  // what it says counts in place of config_file, where it is there (krait/plan/joined.h)
  // Guard mode: the interface that something else manages. Only the data path is put on it, the key file is not read.
  std::optional<std::string> guarded_interface;
};

// What looking after the interface found.
struct Inspection {
  std::vector<std::string> mended;  // sentences
  std::vector<control::Fault> faults;
};

// One thread; every call blocks on the file system and the kernel only. Needs CAP_BPF and CAP_NET_ADMIN. The destructor
// leaves everything in force.
class Enforcer {
 public:
  // Loads the files and puts them in force, adopting whatever an earlier agent left. Fails with unavailable when
  // another agent keeps the interface.
  static common::Result<Enforcer> start(EnforcerOptions options);

  // Reads the files again and switches to them without dropping a packet of what stays allowed. Unchanged files that
  // are still in force are neither parsed nor compiled, and files that say what is in force touch nothing: the revision
  // stays. A wrong file changes nothing. When a call to the kernel fails half-way the error says what is in force.
  common::Result<control::Applied> reload();

  // Takes what krait-link offers, where administrators signed it: keeps it, then puts it in force as a reload does.
  // What is refused changes nothing, and state() tells why. unsupported: this host goes by files.
  common::Result<control::Applied> take_state();
  // The coordinator says that what was taken last is the newest: the lease begins anew.
  common::Result<void> confirm_state();
  // The next state may be older than what this host has seen, once.
  void allow_older() { may_go_back_ = true; }

  // Looks whether the interface is as it was put in force, and puts right what is not where that opens nothing.
  // `moved_to` is asked when the interface is missing: one that went to another network namespace is not made anew, and
  // deleted there where krait's programs did not go with it. One that krait did not make and that has the name now is
  // left alone.
  Inspection inspect(const MovedTo& moved_to);

  // Denies everything and takes the peers away; interface, addresses, routes, programs and guard stay. From then on
  // inspect() sees to that, until a reload.
  common::Result<void> drain();
  // Opens up: removes the interface (managed) and everything of the data path.
  common::Result<void> remove();

  // Goes over to the key in the file beside the key file (next_key_file()), which takes the key file's place. Fails
  // with not_found when there is none, in guard mode with unsupported.
  common::Result<model::PublicKey> rotate_key();
  // Makes the key that waits beside it, where there is none: both public keys.
  struct OwnKeys {
    model::PublicKey key;
    model::PublicKey next;
  };
  common::Result<OwnKeys> prepare_key();
  // Whether peers were told of the key that waits: what the network's state in force says of this host.
  [[nodiscard]] common::Result<void> check_announced() const;
  // Peers that have announced their next key may go over to it at any moment: their addresses are to follow.
  [[nodiscard]] bool awaits_peers_keys() const;
  // Looks whether one has, and lets its addresses follow. True: one had.
  common::Result<bool> follow_peers_keys();

  // Looks at the clock and what else tells the time, and compiles the policy in force again when its calendar expiries
  // stand on another time than the latest one that is known. True: it was. To be called when the clock was set, and
  // once a minute: the kernel does not tell that NTP has begun to keep it.
  common::Result<bool> follow_clock();
  // Lets the latest time outlive this agent. Writes a file and syncs it; time_faults() tell when that fails.
  void remember_time();
  // That the clock is wrong, where rules end at a calendar time, or the time cannot be remembered.
  [[nodiscard]] std::vector<control::Fault> time_faults() const;

  // After a change of a link, an address or a route: reads the host's routes, where the mesh has networks behind hosts,
  // and fences the other interfaces off. True: there is something that inspect() tells.
  common::Result<bool> follow_network();

  // Fits the interface's MTU to the underlay as it is now; after a change of a link or a route, and once a minute for
  // peers that roam, which nobody announces. Says whether it changed; last().changes.mtu_bytes is the MTU. Does nothing
  // in guard mode.
  common::Result<bool> fit_mtu();

  [[nodiscard]] common::Result<control::State> state() const;
  // Costs a system call for each rule.
  [[nodiscard]] common::Result<control::Rules> rules() const;
  // What is not as it should be and was not put right: what the last look found, and what the kernel refused last.
  [[nodiscard]] std::vector<control::Fault> faults() const;
  [[nodiscard]] const control::Applied& last() const { return last_; }
  [[nodiscard]] const model::Policy& policy() const { return plan_.policy; }
  [[nodiscard]] const model::Mesh& mesh() const { return plan_.mesh; }
  [[nodiscard]] const std::optional<control::NetworkState>& network() const { return network_; }
  [[nodiscard]] bool managed() const { return held_.is_managed; }  // not only guarded
  [[nodiscard]] const std::string& interface() const { return held_.interface; }
  [[nodiscard]] std::uint32_t interface_index() const { return held_.interface_index; }
  [[nodiscard]] const EnforcerOptions& options() const { return options_; }
  [[nodiscard]] const std::string& source_file() const { return plan_.mesh.file; }  // of the plan in force

 private:
  Enforcer(EnforcerOptions options, common::LockFile lock, Held held, plan::ClockKeeper clock)
      : options_(std::move(options)), lock_(std::move(lock)), held_(std::move(held)), clock_(std::move(clock)) {}

  // One look and the steps that follow from it.
  struct Ran {
    Sight sight;
    Outcome outcome;
    wireguard::Changes changes;
    std::vector<std::string> mended;
  };
  common::Result<Ran> reconcile(Goal goal, const plan::Plan& plan, const wireguard::PrivateKey* key,
                                const MovedTo& moved_to = {});
  [[nodiscard]] common::Result<void> result_of(Ran ran) const;
  common::Result<void> put_in_force(plan::Plan plan, const wireguard::PrivateKey* key);
  void take_over(plan::Plan plan, const wireguard::Changes& changes);
  // Whether packets are judged by it now, or would be if there were any.
  [[nodiscard]] bool decides(const plan::Plan& plan) const;
  // The plan in force, compiled for the time that is known now.
  common::Result<plan::Plan> compile_anew();
  // None while the kernel has its policy. A switch that failed with new maps in place of the former ones leaves none.
  common::Result<std::optional<plan::Plan>> compile_what_is_lost();
  // After one of the plan in force that was compiled anew was to be put in force.
  void follow_policy(plan::Plan plan);
  [[nodiscard]] bool is_unchanged();
  // `keep` is called once the files are known to be good, before anything changes.
  common::Result<control::Applied> put_files_in_force(plan::Files files, std::optional<control::NetworkState> network,
                                                      const std::function<common::Result<void>()>& keep = {});
  common::Result<control::Applied> take(const plan::JoinedHost& host);
  common::Result<void> renew_lease();
  common::Result<control::Applied> stay();
  [[nodiscard]] common::Result<void> check_name() const;
  std::vector<std::string> tell(const Ran& ran, bool were_refused);
  [[nodiscard]] control::Stage stage() const;
  [[nodiscard]] About about() const { return {.interface = held_.interface, .is_managed = held_.is_managed}; }

  EnforcerOptions options_;
  common::LockFile lock_;
  Held held_;
  plan::ClockKeeper clock_;
  Goal goal_ = Goal::enforce;
  std::vector<control::Fault> faults_;  // of the last run, but those that held_ can tell
  std::string unchecked_sources_;       // why the kernel does not check every source; empty: it does
  plan::Plan plan_;                     // in force, without its snapshot's image
  control::Applied last_;
  std::optional<control::NetworkState> network_{};
  bool may_go_back_ = false;
};

// The interface that the files are about.
std::string interface_of(const EnforcerOptions& options, const model::Mesh& mesh);

}  // namespace krait::enforce
