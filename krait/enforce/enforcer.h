// Keeps one interface as the files say: WireGuard and the data path, in the order in which nothing is ever open by
// mistake (lifecycle.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/lock_file.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/datapath/datapath.h"
#include "krait/enforce/lifecycle.h"
#include "krait/plan/clock_keeper.h"
#include "krait/plan/plan.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

struct EnforcerOptions {
  std::string config_file;
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
  // What the kernel objects need beside the plan.
  struct Prepared {
    std::optional<wireguard::PrivateKey> key;  // none in guard mode
    std::uint32_t interface_index = 0;
  };

  // Loads the files and puts them in force, adopting whatever an earlier agent left. Fails with unavailable when
  // another agent keeps the interface.
  static common::Result<Enforcer> start(EnforcerOptions options);

  // Reads the files again and switches to them without dropping a packet of what stays allowed. Unchanged files that
  // are still in force are neither parsed nor compiled, and files that say what is in force touch nothing: the revision
  // stays. A wrong file changes nothing. When a call to the kernel fails half-way the error says what is in force.
  common::Result<control::Applied> reload();

  // Looks whether the interface is as it was put in force, and mends what is not where that opens nothing. `moved_to`
  // is asked when the interface is missing: one that went to another network namespace is not made anew, and deleted
  // there where krait's programs did not go with it. One that krait did not make and that has the name now is left
  // alone.
  Inspection inspect(const std::function<std::optional<netlink::NewHome>()>& moved_to);

  // Denies everything and takes the peers away; interface, addresses, routes, programs and guard stay.
  common::Result<void> drain();
  // Opens up: removes the interface (managed) and everything of the data path.
  common::Result<void> remove();

  // Goes over to the key in the file beside the key file (next_key_file()), which takes the key file's place. Fails
  // with not_found when there is none, in guard mode with unsupported.
  common::Result<model::PublicKey> rotate_key();
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

  // Reads the host's links and routes: networks behind it are reached where routes of their own lead, and nowhere else,
  // and all other interfaces are fenced off. After a change of a link, an address or a route. Costs a dump of all
  // links, and one of all routes where the mesh has such networks. True: there is something that inspect() tells.
  common::Result<bool> follow_network();

  // Fits the interface's MTU to the underlay as it is now; after a change of a link or a route, and once a minute for
  // peers that roam, which nobody announces. Says whether it changed; last().changes.mtu_bytes is the MTU. Does nothing
  // in guard mode.
  common::Result<bool> fit_mtu();

  [[nodiscard]] common::Result<control::State> state() const;
  // Costs a system call for each rule.
  [[nodiscard]] common::Result<control::Rules> rules() const;
  // What is not as it should be and was not mended: what inspect() found last, and what the kernel refused last.
  [[nodiscard]] std::vector<control::Fault> faults() const;
  [[nodiscard]] const control::Applied& last() const { return last_; }
  [[nodiscard]] const model::Policy& policy() const { return plan_.policy; }
  [[nodiscard]] const model::Mesh& mesh() const { return plan_.mesh; }
  [[nodiscard]] bool managed() const { return !options_.guarded_interface; }  // not only guarded
  [[nodiscard]] const std::string& interface() const { return interface_; }
  [[nodiscard]] std::uint32_t interface_index() const { return interface_index_; }
  [[nodiscard]] const EnforcerOptions& options() const { return options_; }

 private:
  Enforcer(EnforcerOptions options, std::string interface, common::LockFile lock, datapath::Datapath datapath,
           plan::ClockKeeper clock)
      : options_(std::move(options)),
        interface_(std::move(interface)),
        lock_(std::move(lock)),
        datapath_(std::move(datapath)),
        clock_(std::move(clock)) {}

  [[nodiscard]] bool is_in_force() const;
  // invalid_input, with the hint, while the interface has another name, or another interface has its name: what goes by
  // the name would meet a stranger's.
  [[nodiscard]] common::Result<void> check_name() const;
  // Found by the interface's name, or by its number: krait did not make it.
  [[nodiscard]] bool is_strangers(const wireguard::Whereabouts& where) const;
  common::Result<void> put_in_force(plan::Plan plan, const Prepared& prepared);
  // The two ways: onto an interface that nobody judges yet, and from one policy to another. An empty image stands for
  // the snapshot that is in the kernel.
  common::Result<wireguard::Changes> bring_up(const model::WireguardImage& wanted, std::span<const std::byte> image,
                                              const Prepared& prepared);
  // In two steps: until the new policy judges, and what follows. When only the second fails the plan is in force.
  common::Result<wireguard::Changes> switch_over(const plan::Plan& plan, const Prepared& prepared);
  common::Result<wireguard::Changes> follow_switch(const plan::Plan& plan, const Prepared& prepared,
                                                   wireguard::Changes changes);
  void take_over(plan::Plan plan, const wireguard::Changes& changes);
  // A data path that has room for the plan, ready but not attached; none: the open one has.
  common::Result<std::optional<datapath::Datapath>> make_room(const plan::Plan& plan) const;
  // Switches the data path, or its successor, to the plan's snapshot. One that cannot be made ready
  // or switched leaves the former in force.
  common::Result<void> judge_by(const plan::Plan& plan, std::optional<datapath::Datapath> successor,
                                std::uint32_t interface_index);
  common::Result<void> attach(datapath::Datapath& datapath, std::uint32_t interface_index);
  void clamp_mss_to(std::uint32_t mtu_bytes);
  // For networks of a plan that may not be in force yet, and the data path that is to judge by it. Whether other ones
  // than before have no way.
  common::Result<bool> set_ways(datapath::Datapath& datapath, const model::Mesh& mesh, std::uint32_t interface_index);
  // Says which interfaces had lost the fence, or had another data path's, and have it again.
  std::vector<std::string> fence_off(datapath::Datapath& datapath);
  void open_fence();

  // inspect()'s steps, enforcer_inspect.cc.
  void bring_back(const std::optional<netlink::NewHome>& moved_to, bool name_is_taken, Inspection& seen);
  void look_after(const netlink::NewHome& moved_to, Inspection& seen);
  [[nodiscard]] bool is_half_up() const;
  // `what`: what was mended by that.
  void bring_up_anew(Inspection& seen, std::string_view what);
  bool look_at_name(const wireguard::Whereabouts& where, Inspection& seen);  // false: another name
  bool look_at_programs(Inspection& seen);                                   // false: they are not attached
  void look_at_order(Inspection& seen);
  void look_at_pins(Inspection& seen);
  void look_at_ways(Inspection& seen) const;
  void look_at_fence(Inspection& seen);
  void look_at_wireguard(Inspection& seen);
  void look_at_allowed_ips(Inspection& seen) const;

  EnforcerOptions options_;
  std::string interface_;
  common::LockFile lock_;
  datapath::Datapath datapath_;
  plan::ClockKeeper clock_;
  Lifecycle lifecycle_;
  std::uint32_t interface_index_ = 0;        // attached to; 0: still to be attached
  std::optional<model::PublicKey> key_;      // that the interface was given
  bool removed_there_ = false;               // it went to another namespace and was deleted there
  std::vector<control::Fault> faults_;       // that inspect() found last, without those of refused_
  std::vector<wireguard::Refusal> refused_;  // when WireGuard was set up or set right last
  std::string unchecked_sources_;            // why the kernel does not check every source; empty: it does
  std::vector<common::Prefix> without_way_;  // networks behind this host that nothing reaches
  std::size_t ways_left_out_ = 0;            // into networks behind peers
  datapath::Outside fenced_;                 // the fence was put on these
  std::vector<control::Fault> unfenced_;     // where it could not be put
  std::vector<std::string> put_back_;        // interfaces that had lost it, which inspect() has not told yet
  plan::Plan plan_;                          // in force, without its snapshot's image
  control::Applied last_;
};

// Where the key that a host will use next waits; unsupported when its key is a credential.
common::Result<std::string> next_key_file(const model::Host& host);

// What the data path needs for a plan; of an interface alone, for finding what is left of it.
datapath::Options datapath_options(const std::string& interface);
datapath::Options datapath_options(const std::string& interface, const plan::Plan& plan, bool managed);

// The interface that the files are about.
std::string interface_of(const EnforcerOptions& options, const model::Mesh& mesh);

// From the file or the credential that the host's configuration names; invalid_input when there is none.
common::Result<wireguard::PrivateKey> load_key(const model::Host& host);

// Does what can fail without having changed anything but an interface that is down. `own_index`: of a link that the
// caller has managed all the while; 0: of none. One that krait did not make is refused when it is to be managed.
common::Result<Enforcer::Prepared> prepare(const std::string& interface, const model::Mesh& mesh, bool managed,
                                           std::uint32_t own_index = 0);

// The link of that name, if it is krait's own without having its mark: an earlier version made none, but what that
// attached is still on it. 0: there is none.
std::uint32_t unmarked_own_link(const std::string& interface);

// Takes everything of the data path off this interface and the host's others, and removes its pins.
common::Result<void> remove_datapath(const std::string& interface, std::uint32_t interface_index);

}  // namespace krait::enforce
