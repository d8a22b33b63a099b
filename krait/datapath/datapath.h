// The BPF side of one guarded interface: maps, programs, attachment, pins. All of libbpf stays behind this folder.
//
// Pins live in <bpffs>/<interface>/ and outlive the process: enforcement goes on without the agent, and the next
// agent adopts them. Needs CAP_BPF and CAP_NET_ADMIN. Not thread-safe: one thread owns a Datapath.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/netlink/tc.h"
#include "common/result.h"
#include "krait/abi/maps.h"
#include "krait/abi/snapshot.h"
#include "krait/datapath/state.h"
#include "krait/datapath/table_sizes.h"
#include "krait/datapath/ways.h"
#include "krait/rundir/bpffs.h"

namespace krait::datapath {

struct Options {
  std::string interface;
  std::string bpffs = rundir::kBpffs;      // mounted here when it is not yet
  std::uint32_t snapshot_pages = 0;        // the buffer must hold at least this many
  std::uint32_t rules = 0;                 // of the policy; the counters have room for twice as many
  std::uint32_t max_snapshot_pages = ~0U;  // of a buffer, however much the policy may grow
  TableSizes tables{};
  bool only_guards = false;  // the interface is somebody else's; remembered for whoever finds the pins
};

// What was not as it should be and is now.
struct Mended {
  bool program = false;  // krait's program was missing or another version's
  bool guard = false;    // the guard behind it, or the clsact qdisc
  bool order = false;    // somebody else's program stood ahead

  [[nodiscard]] bool any() const { return program || guard || order; }
};

// The host's other interfaces, see fence.h.
struct Outside {
  std::vector<std::uint32_t> interfaces;  // on which it takes packets in
  std::vector<std::uint32_t> ports;       // whose packets it takes in on another: of bridges, of bonds
};

// What was done about them.
struct Fenced {
  struct Failure {
    std::uint32_t interface_index = 0;
    common::Error error;
  };
  std::vector<std::uint32_t> put;  // interfaces on which the fence was not, or by another version
  std::vector<Failure> failures;   // on which it is not
};

// Whether an interface has filters, and somebody still needs its clsact qdisc.
using InUse = std::function<bool(std::uint32_t interface_index)>;

// How a data path is opened.
enum class Open : std::uint8_t {
  adopt,  // programs of this build that are pinned are taken as they are
  load,   // the programs are loaded anew, on the same maps
};

class Datapath {
 public:
  // Opens the interface's pins, or makes what is missing; nothing is attached, switched or pinned yet. Where the pinned
  // snapshot map is too small or of another version, or another map of another size, a new one is made beside it and
  // takes over at attach(); flows are carried over, counters of another size begin at nothing. Fails with unsupported,
  // having touched nothing, when flows of another version cannot be carried over.
  static common::Result<Datapath> open(const Options& options, Open how = Open::adopt);

  Datapath(Datapath&&) noexcept;
  Datapath& operator=(Datapath&&) noexcept;
  ~Datapath();  // leaves everything attached and pinned

  // Whether the maps that are open have the sizes of these options and room for a policy of theirs.
  [[nodiscard]] bool has_room(const Options& options) const;

  // Writes the image into the inactive buffer and makes it the active one with one store. Fails with ErrorCode::limit,
  // changing nothing, when the image has more pages than a buffer. When it returns, no packet is judged by an older
  // snapshot any more.
  common::Result<void> publish(std::span<const std::byte> image);
  // Whether the active snapshot is this image but for its revision: publishing it would change nothing.
  [[nodiscard]] common::Result<bool> is_published(std::span<const std::byte> image) const;
  // Denies every packet from the next one on, until something is published or resumed. Returns when none is judged
  // otherwise.
  common::Result<void> deny_all();
  common::Result<void> resume();  // what deny_all() took out of force; not_found when there is none

  // Attaches both directions to the interface (or replaces the program that is attached, atomically) and puts the
  // drop-all guard behind them. Touches nothing that is as it should be, and says what was not.
  common::Result<Mended> attach(std::uint32_t interface_index);
  // Whether one of these or of the pinned programs is on the interface: packets are judged already.
  [[nodiscard]] bool is_attached(std::uint32_t interface_index) const;
  // Mounts the BPF file system and pins what is attached where somebody took that away. True: somebody had.
  common::Result<bool> keep_pins();
  // False: somebody else's program decides before krait's. `clsact` are the first filters' programs, for kernels
  // without TCX.
  [[nodiscard]] bool is_first(std::uint32_t interface_index, const netlink::FirstPrograms& clsact) const;
  // A data path that is opened with Open::load then gets ahead of everybody at attach(), on TCX.

  // The interface's MTU: the MSS of TCP connections that pass through is lowered to what fits. 0, as at first: it is
  // left alone. Kept for the next agent, and handed on to a map that takes over.
  void clamp_mss_to(std::uint32_t mtu_bytes);

  // Where routes of their own lead into the networks behind this host; elsewhere nothing goes that is judged as theirs,
  // and from elsewhere nothing comes. See set_ways(). Kept for the next agent.
  common::Result<void> set_ways_behind(std::span<const WayBehind> ways);

  // Keeps out what comes in on these interfaces, all of the host's others, with the address of somebody who is behind
  // the guarded one, see fence.h. After attach(), and whenever it may have to be done again.
  Fenced fence_off(const Outside& outside, const InUse& is_in_use);

  [[nodiscard]] Attachment attachment() const;
  [[nodiscard]] bool active() const;  // a snapshot is switched on
  // Programs that are attached may decide by another snapshot map than this one, which takes over at attach(): one that
  // is switched on, or one that cannot be read.
  [[nodiscard]] bool may_former_decide() const;
  [[nodiscard]] std::uint64_t revision() const;  // of the active snapshot; 0: none
  // Of that, or of the one that deny_all() took out of force; 0: there is none.
  [[nodiscard]] std::uint64_t held_revision() const;
  // The highest that was ever switched on, by this data path or the one whose place it takes.
  [[nodiscard]] std::uint64_t last_revision() const;
  common::Result<Counters> counters() const;
  // Of the active snapshot; none without one.
  [[nodiscard]] common::Result<std::vector<krait_rule_record>> rule_records() const;
  // What each rule decided, by the number of its record. A system call for each rule.
  common::Result<std::vector<krait_count>> rule_counts() const;

  // Takes the programs and the guard off the interface (when it still exists), the fence off the others, and removes
  // the pins. The interface is open afterwards; remove its peers or the interface first.
  static common::Result<void> remove(const Options& options, std::uint32_t interface_index, const InUse& is_in_use);
  // Denies everything by the programs that a former agent left, if it left any.
  static common::Result<void> deny_all_left_over(const Options& options);

 private:
  struct State;
  explicit Datapath(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The records of the snapshot that an earlier agent put in force; none when there is none, or none that can be read.
std::vector<krait_rule_record> rule_records_in_force(const Options& options);

// True when <bpffs>/<interface>/ holds anything.
bool has_pins(const Options& options);
// Whether the pins are of an agent that only guarded the interface. False where there are none.
bool only_guards(const Options& options);
// Whether the pins are of an agent that managed the interface, and what it attached is on the link of this index: by
// that name somebody may have made another one since.
bool manages(const Options& options, std::uint32_t interface_index);

}  // namespace krait::datapath
