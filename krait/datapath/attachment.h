// Programs on an interface: TCX links where the kernel has them (6.6), clsact filters elsewhere, and the guard behind
// both.
#pragma once

#include <array>
#include <cstdint>

#include "common/fd.h"
#include "common/result.h"
#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace krait::datapath {

struct Programs {
  int ingress_fd = -1;
  int egress_fd = -1;
  int guard_fd = -1;
  int fence_fd = -1;       // for the host's other interfaces, see fence.h
  int fence_port_fd = -1;  // for those whose packets the host takes in on another
};

// The two TCX links while an agent runs: with them open, a lost pin ends no enforcement.
using Links = std::array<common::Fd, 2>;

struct Attached {
  Attachment kind = Attachment::none;
  bool made_qdisc = false;  // the clsact qdisc was not there before
  Mended mended;
};

// Attaches, or replaces what krait attached before, each direction atomically; touches nothing that is as it should be.
// Krait's programs go first, then the guard: an interface in use is never without a judge, and the guard alone would
// drop everything. A program that has to get ahead of somebody else's must not be attached yet (the kernel refuses the
// same one twice). `links` are those that are pinned; new ones take their place there, and nothing is pinned.
common::Result<Attached> attach_programs(std::uint32_t interface_index, const Programs& programs, Links& links);

Links pinned_links(const Pins& pins);
// Pins the links that are there and not pinned; true when there were any.
common::Result<bool> pin_links(const Links& links, const Pins& pins);

// Whether krait's programs are the first of the interface's TCX programs.
bool are_first_tcx(std::uint32_t interface_index, const Programs& programs);

// True when the program is attached to the interface, or to the one that a link is on.
bool is_attached(std::uint32_t interface_index, int program_fd, const Links& links);

// True when krait judges the interface's packets in both directions: by the links, or by its filters.
bool is_on(std::uint32_t interface_index, const Links& links);

// Takes everything of krait's off the interface, the guard first. `qdisc_too`: krait made the clsact qdisc.
common::Result<void> detach_programs(std::uint32_t interface_index, const Pins& pins, bool qdisc_too);

}  // namespace krait::datapath
