// Waiting until no BPF program sees what it saw before.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace krait::datapath {

class RcuBarrier {
 public:
  static common::Result<RcuBarrier> create();

  // Returns when every program that was running at the call has ended: updating a map of maps makes the kernel wait for
  // a grace period (kernel/bpf/syscall.c, maybe_wait_bpf_programs). Blocks for some 10 ms.
  common::Result<void> wait() const;

 private:
  common::Fd inner_;
  common::Fd outer_;
};

}  // namespace krait::datapath
