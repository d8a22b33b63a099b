// Programs on an interface: TCX links where the kernel has them (6.6), clsact filters elsewhere, and the guard behind
// both.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace krait::datapath {

struct Programs {
  int ingress_fd = -1;
  int egress_fd = -1;
  int guard_fd = -1;
};

struct Attached {
  Attachment kind = Attachment::none;
  bool made_qdisc = false;  // the clsact qdisc was not there before
};

// Attaches, or replaces what krait attached before, each direction atomically. Krait's programs go first, then the
// guard: an interface in use is never without a judge, and the guard alone would drop everything.
common::Result<Attached> attach_programs(std::uint32_t interface_index, const Programs& programs, const Pins& pins);

// What is attached already, as far as the pins and filters tell.
Attachment find_attachment(std::uint32_t interface_index, const Pins& pins);

// Takes everything of krait's off the interface, the guard first. `remove_qdisc`: krait made the clsact qdisc.
common::Result<void> detach_programs(std::uint32_t interface_index, const Pins& pins, bool remove_qdisc);

}  // namespace krait::datapath
