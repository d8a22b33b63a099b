/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IPv4 source routing: the destination that a packet names is not the one that it goes to in the end, so a verdict on
 * it says nothing.
 */
#pragma once

#include "krait/bpf/options.h"

#define IPV4_OPTION_LSRR 131 /* RFC 791 3.1 */
#define IPV4_OPTION_SSRR 137

/* Of a parsed IPv4 packet with options. Global, as find_option() is. */
__noinline int check_ipv4_options(struct __sk_buff* skb) {
  const __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  if (!scratch) {
    return KRAIT_REASON_MALFORMED;
  }
  const __u32 offset = scratch->packet.l3_offset + (__u32)sizeof(struct iphdr);
  if (read_options(skb, &scratch->options, offset, scratch->packet.l4_offset - offset)) {
    return KRAIT_REASON_MALFORMED;
  }
  const __u32 found = find_option(IPV4_OPTION_LSRR, IPV4_OPTION_SSRR);
  if (found == BROKEN_OPTION) {
    return KRAIT_REASON_MALFORMED;
  }
  return found == NO_OPTION ? KRAIT_ALLOWED : KRAIT_REASON_SOURCE_ROUTE;
}

static __always_inline int has_ipv4_options(const struct packet* packet) {
  return !packet->is_v6 && packet->l4_offset - packet->l3_offset != sizeof(struct iphdr);
}
