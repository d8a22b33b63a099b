// What libbpf's headers of the build machine may be too old to have of TCX: include/uapi/linux/bpf.h of kernel 6.6.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>

namespace krait::datapath {

inline constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // BPF_TCX_INGRESS
inline constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);   // BPF_TCX_EGRESS
inline constexpr std::uint32_t kBefore = 1U << 3U;                     // BPF_F_BEFORE: without a relative, first of all
inline constexpr std::size_t kMostPrograms = 64;                       // BPF_MPROG_MAX, include/linux/bpf_mprog.h

}  // namespace krait::datapath
