/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The MSS option of TCP connections that pass through the tunnel: lowered to what fits into the interface's MTU, as the
 * ends may be on networks with larger packets, and path-MTU discovery is often broken on the way to them (RFC
 * 2923 2.1). Only SYNs carry the option. A packet of a local application has the interface's own MSS, and is left
 * alone.
 */
#pragma once

#include "krait/bpf/scratch.h"

#define TCP_HEADER_BYTES 20U
#define TCP_MOST_OPTION_BYTES 40U
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_MSS_BYTES 4U
#define TCP_CHECKSUM_OFFSET 16U

/* Keeps an offset within `options` in a way that the verifier believes. */
static __always_inline __u32 within_options(__u32 at) {
  OPAQUE(at);
  return at & 63;
}

/*
 * Where the option's value is, or 0. The offset lies in the scratch map, so that the steps of the search are one state
 * to the verifier.
 */
static __always_inline __u32 find_mss(struct mss* mss) {
  *(volatile __u32*)&mss->at = 0;
  for (int step = 0; step < (int)TCP_MOST_OPTION_BYTES; step++) {
    const __u32 at = *(volatile __u32*)&mss->at;
    if (at + TCP_MSS_BYTES > mss->bytes) {
      return 0;
    }
    const __u8 kind = mss->options[within_options(at)];
    const __u8 length = mss->options[within_options(at + 1)];
    if (kind == TCP_OPTION_MSS) {
      return length == TCP_MSS_BYTES ? at + 2 : 0;
    }
    if (kind == TCP_OPTION_END || (kind != TCP_OPTION_NOP && length < 2)) {
      return 0;
    }
    *(volatile __u32*)&mss->at = at + (kind == TCP_OPTION_NOP ? 1 : length);
  }
  return 0;
}

static __always_inline int read_options(struct __sk_buff* skb, struct mss* mss, __u32 l4_offset) {
  __u8 words = 0;
  if (bpf_skb_load_bytes(skb, l4_offset + 12, &words, 1)) {
    return -1;
  }
  __u32 bytes = (words >> 4) * 4U - TCP_HEADER_BYTES;
  OPAQUE(bytes);
  if (bytes < TCP_MSS_BYTES || bytes > TCP_MOST_OPTION_BYTES) {
    return -1;
  }
  __builtin_memset(mss->options, 0, sizeof(mss->options));
  mss->bytes = bytes;
  return (int)bpf_skb_load_bytes(skb, l4_offset + TCP_HEADER_BYTES, mss->options, bytes);
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
  struct mss* mss = &scratch->mss;
  const __u32 l4_offset = scratch->packet.l4_offset;
  if (mtu <= headers || read_options(skb, mss, l4_offset)) {
    return 0;
  }
  const __u32 value = find_mss(mss);
  if (value == 0) {
    return 0;
  }
  const __u32 most = mtu - headers;
  const __u32 present = (__u32)mss->options[within_options(value)] << 8 | mss->options[within_options(value + 1)];
  if (present <= most) {
    return 0;
  }
  /* The sum over all options, for the value may stand at an odd offset. */
  const __s64 before = bpf_csum_diff(0, 0, (__be32*)mss->options, TCP_MOST_OPTION_BYTES, 0);
  mss->options[within_options(value)] = (__u8)(most >> 8);
  mss->options[within_options(value + 1)] = (__u8)most;
  const __s64 after = bpf_csum_diff(0, 0, (__be32*)mss->options, TCP_MOST_OPTION_BYTES, ~(__wsum)before);
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
