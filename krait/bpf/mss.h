/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The MSS option of TCP connections that pass through the tunnel: lowered to what fits into the interface's MTU, as the
 * ends may be on networks with larger packets, and path-MTU discovery is often broken on the way to them (RFC
 * 2923 2.1). Only SYNs carry the option. A packet of a local application has the interface's own MSS, and is left
 * alone.
 */
#pragma once

#include "krait/bpf/options.h"

#define TCP_HEADER_BYTES 20U
#define TCP_OPTION_MSS 2
#define TCP_MSS_BYTES 4U
#define TCP_CHECKSUM_OFFSET 16U

static __always_inline int read_tcp_options(struct __sk_buff* skb, struct options* options, __u32 l4_offset) {
  __u8 words = 0;
  if (bpf_skb_load_bytes(skb, l4_offset + 12, &words, 1)) {
    return -1;
  }
  return read_options(skb, options, l4_offset + TCP_HEADER_BYTES, (words >> 4) * 4U - TCP_HEADER_BYTES);
}

/*
 * Of an allowed TCP SYN, whose header parse() has checked. Global, so that the verifier looks at it once and on its
 * own. Returns 0.
 */
__noinline int clamp_mss(struct __sk_buff* skb) {
  const __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  const struct krait_control* control = control_page();
  if (!scratch || !control) {
    return 0;
  }
  const __u32 mtu = control->clamp_mtu_bytes;
  const __u32 headers = TCP_HEADER_BYTES + (scratch->packet.is_v6 ? 40U : 20U);
  struct options* options = &scratch->options;
  const __u32 l4_offset = scratch->packet.l4_offset;
  if (mtu <= headers || read_tcp_options(skb, options, l4_offset)) {
    return 0;
  }
  const __u32 option = find_option(TCP_OPTION_MSS, TCP_OPTION_MSS);
  if (option >= NO_OPTION || options->octets[within_options(option + 1)] != TCP_MSS_BYTES) {
    return 0;
  }
  const __u32 value = option + 2;
  const __u32 most = mtu - headers;
  const __u32 present = (__u32)options->octets[within_options(value)] << 8 | options->octets[within_options(value + 1)];
  if (present <= most) {
    return 0;
  }
  /* The sum over all options, for the value may stand at an odd offset. */
  const __s64 before = bpf_csum_diff(0, 0, (__be32*)options->octets, MAX_OPTION_BYTES, 0);
  options->octets[within_options(value)] = (__u8)(most >> 8);
  options->octets[within_options(value + 1)] = (__u8)most;
  const __s64 after = bpf_csum_diff(0, 0, (__be32*)options->octets, MAX_OPTION_BYTES, ~(__wsum)before);
  const __u16 value_be = bpf_htons((__u16)most);
  if (bpf_skb_store_bytes(skb, l4_offset + TCP_HEADER_BYTES + value, &value_be, sizeof(value_be), 0) == 0) {
    bpf_l4_csum_replace(skb, l4_offset + TCP_CHECKSUM_OFFSET, 0, (__u64)after, 0);
  }
  return 0;
}

/* Came from another interface or goes on to one; what comes in may go to a local application, to which it is no loss.
 */
static __always_inline int is_clamped(const struct __sk_buff* skb, __u32 direction, const struct packet* packet) {
  return packet->tuple.protocol == IPPROTO_TCP && packet->tcp_flags & TCP_SYN &&
         (direction == KRAIT_INGRESS || skb->ingress_ifindex != 0);
}
