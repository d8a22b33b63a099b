// What the kernel has for programs, and who else has some on an interface, as far as TCX tells (kernel 6.6 and newer).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krait::datapath {

struct AttachedProgram {
  std::uint32_t id = 0;
  std::string name;  // empty where the caller may not see it (CAP_SYS_ADMIN)
  std::string tag;   // 16 hexadecimal digits, likewise
};

// The programs of one direction in the order in which they run; none at all where this kernel has no TCX. Fails with
// permission without CAP_NET_ADMIN, and with ENOSYS where the kernel has no BPF.
common::Result<std::optional<std::vector<AttachedProgram>>> tcx_programs(std::uint32_t interface_index, bool ingress);

// Whether the kernel describes its types (BTF, CONFIG_DEBUG_INFO_BTF): by them it knows the packet that one of krait's
// functions hands to another. Where sysfs is not mounted it seems to have none.
bool kernel_has_btf();

// Whether a kernel of this version, as uname says it ("#1 SMP PREEMPT_RT Debian 6.18.2-1"), lets a packet's program
// interrupt another's on the same CPU: they would share one working memory. PREEMPT_RT does so wherever
// CONFIG_PREEMPT_RT_NEEDS_BH_LOCK, which nobody can see from here, is not set (kernel/softirq.c).
bool lets_packets_interrupt(std::string_view kernel_version);
// unsupported on such a kernel.
common::Result<void> check_kernel_keeps_packets_apart();

}  // namespace krait::datapath
