// TCX links (kernel 6.6), and what libbpf's headers of the build machine may be too old to have of them:
// include/uapi/linux/bpf.h of kernel 6.6.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/fd.h"
#include "common/result.h"

namespace krait::datapath {

inline constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // BPF_TCX_INGRESS
inline constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);   // BPF_TCX_EGRESS
inline constexpr std::uint32_t kBefore = 1U << 3U;                     // BPF_F_BEFORE: without a relative, first of all
inline constexpr std::size_t kMaxPrograms = 64;                        // BPF_MPROG_MAX, include/linux/bpf_mprog.h

struct TcxLink {
  std::uint32_t id = 0;
  std::uint32_t program_id = 0;
  std::uint32_t interface_index = 0;  // 0: the interface is gone
};

// None: the descriptor is no link's.
std::optional<TcxLink> tcx_link(int link_fd);

// A link ahead of all other programs. None: this kernel has no TCX.
common::Result<std::optional<common::Fd>> make_tcx_link(std::uint32_t interface_index, bpf_attach_type side,
                                                        int program_fd);

}  // namespace krait::datapath
