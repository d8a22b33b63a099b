// The fence on the host's other interfaces: krait_fence at their ingress keeps out what comes with the address of
// somebody who is behind the tunnel, or with this host's own (krait/bpf/fence.h). What it lets pass goes on to the
// programs behind it.
//
// The folder `fence` of the guarded interface's pins has a pin for each interface by its number: the TCX link, or for a
// filter, which stays by itself, its program. All of it outlives the agent. Each guarded interface has its own fence.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace krait::datapath {

struct Fence {
  Pins pins;                           // of the guarded interface
  std::string interface;               // its name, by which its filters are known
  Attachment kind = Attachment::none;  // how it is guarded itself, if this is to be put
  InUse is_in_use;                     // a clsact qdisc that krait made is left where somebody else has filters
};

// Puts the program on these interfaces where it is missing, or atomically in the place of another version's, and takes
// it off all others. Changes nothing that is as it should be. Some system calls an interface. One that is gone is no
// failure.
Fenced put_fence(const Fence& fence, int program_fd, std::span<const std::uint32_t> interfaces);

// Takes it off all interfaces.
void take_fence(const Fence& fence);

}  // namespace krait::datapath
