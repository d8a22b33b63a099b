/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IPv4 source routing: the destination that a packet names is not the one that it goes to in the end, so a verdict on
 * it says nothing.
 */
#pragma once

#include "krait/bpf/options.h"

#define IPV4_OPTION_LSRR 131 /* RFC 791 3.1 */
#define IPV4_OPTION_SSRR 137

static __always_inline int find_source_route(struct options* options) {
  *(volatile __u32*)&options->at = 0;
  for (int step = 0; step < (int)MAX_OPTION_BYTES; step++) {
    const __u32 at = *(volatile __u32*)&options->at;
    if (at >= options->bytes) {
      return KRAIT_ALLOWED;
    }
    const __u8 kind = options->octets[within_options(at)];
    const __u8 length = kind == OPTION_NOP ? 1 : options->octets[within_options(at + 1)];
    if (kind == OPTION_END) {
      return KRAIT_ALLOWED;
    }
    if ((kind != OPTION_NOP && length < 2) || at + length > options->bytes) {
      return KRAIT_REASON_MALFORMED;
    }
    if (kind == IPV4_OPTION_LSRR || kind == IPV4_OPTION_SSRR) {
      return KRAIT_REASON_SOURCE_ROUTE;
    }
    *(volatile __u32*)&options->at = at + length;
  }
  return KRAIT_ALLOWED;
}

/* Of a parsed IPv4 packet with options. Global, as clamp_mss() is. */
__noinline int check_ipv4_options(struct __sk_buff* skb) {
  const __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  if (!scratch) {
    return KRAIT_REASON_MALFORMED;
  }
  const __u32 offset = scratch->packet.l3_offset + (__u32)sizeof(struct iphdr);
  struct options* options = &scratch->options;
  if (read_options(skb, options, offset, scratch->packet.l4_offset - offset)) {
    return KRAIT_REASON_MALFORMED;
  }
  return find_source_route(options);
}

static __always_inline int has_ipv4_options(const struct packet* packet) {
  return !packet->is_v6 && packet->l4_offset - packet->l3_offset != sizeof(struct iphdr);
}
