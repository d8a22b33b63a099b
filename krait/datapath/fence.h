// The fence on the host's other interfaces: krait_fence at their ingress, krait_port at that of bridges' ports,
// keep out what comes with the address of somebody who is behind the tunnel, or with this host's own
// (krait/bpf/fence.h). What they let pass goes on to the programs behind them.
//
// The folder `fence` of the guarded interface's pins has a pin for each interface by its number: the TCX link, or for a
// filter, which stays by itself, its program. All of it outlives the agent. Each guarded interface has its own fence.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "common/fd.h"
#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace krait::datapath {

struct Fence {
  Pins pins;                           // of the guarded interface
  std::string interface;               // its name, by which its filters are known
  Attachment kind = Attachment::none;  // how it is guarded itself, if this is to be put
  InUse is_in_use;                     // a clsact qdisc that krait made is left where somebody else has filters
};

struct Post {
  std::uint32_t interface_index = 0;
  int program_fd = -1;
};

// The links while an agent runs, by their interface: with them open, a lost pin ends nothing.
using FenceLinks = std::map<std::uint32_t, common::Fd>;

// Puts the programs on these interfaces where they are missing, or atomically in the place of others, and takes the
// fence off all others. Changes nothing that is as it should be. Some system calls an interface, and a grace period
// (some 10 ms) for one on which it was not. One that is gone is no failure.
Fenced put_fence(const Fence& fence, std::span<const Post> posts, FenceLinks& links);

// Takes it off all interfaces.
void take_fence(const Fence& fence);

}  // namespace krait::datapath
